"""What leaves a scan: the JSON document and the HTML page, both made from the frozen values.

`document` writes and reads the versioned JSON, `html` draws the page that people read. Nothing
here looks at a video; the rooms before this one hand over a `Scan`.
"""
