"""The languages of verdicts and reports: catalogues, and the sentences that they put into them."""
