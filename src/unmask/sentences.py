"""The English sentences that a result may hold; the catalogues translate them."""

SENTENCES: tuple[str, ...] = ()
