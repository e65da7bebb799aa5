"""The result store: what scans of any number of files found, on disk, while they run and after.

    rows     a row a file, a face and a key frame, as Parquet, CSV and other programs see them
    store    a folder of such rows with the full JSON of each file, which no interruption tears
    writer   such a store while a run adds to it; `locks` keeps readers and runs apart
    shards   the folders of Parquet files that most of a store is made of
    index    what a store holds, looked up by path, content and suspicion in bounded memory
    views    a store as JSON, NDJSON, CSV and Parquet files
    pages    a store as a page per file and an index page, or as one report
    lines    results as lines of a file that grows: NDJSON and CSV

It computes no score: all of it comes from the scan results of `values`.
"""
