"""Signatures made with openssl for CloudFront's scheme: facts to verify against."""

from __future__ import annotations

RSA_KEY = """\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAjlbVNDzBWNV22Zyh4VwZ
/mbqtrDeM+m32CZnnYQgBIfkGPfz+rL3PjS+ztZKpqaVGOorfQN8uW5hWbJa2oAf
3hY4UajkjluXa/mBe3Suw37BgnN32+/VX8Hz7La196eGsaXKH2sqKKXuebW4nSAZ
HIC/yjrkx0T9A4fK7PMPSPmRlyv01Tf0yQhnqefxkWWwq7vWke7YWUb1EK1kf+sE
I/lzzFSI11xiMQZu0uODdXRAEZjWXiT5utV0gLm17v+IpfR83QvHmqtszUeir7kc
IzVeSKDSk269UABNlXO3oQSayJUjC215lqxUE6zCK+GjlbFXrw6RXnGiqKhrfQ1R
DwIDAQAB
-----END PUBLIC KEY-----
"""
EC_KEY = """\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGdfwAwhLUbWXCFpa1Ram28pABBXN
7Xxa1Jk1+SjCOdIizgyMkRZB3C5rJtuuKEM5r5hvcvEdexcWiawSLumtig==
-----END PUBLIC KEY-----
"""
CANNED_SHA1 = (
    "https://cdn.example.test/private/a.html?x=1&Expires=4102444800&Signature=Lb4KV3B"
    "puIBpGg2zGbzq1melaQ5ZwK-XGQP69eKwF7VOV~6rXlFsXt3tS~NUffgEoy6E8zRDBoVVEyi5DmvWEhC"
    "6UnQxgvbdTdF5cAJ2eY-gBqUBWca2Ei8HELIGZrxfsPMOmaVzuchac7-7dsnKKNzspwpz3ue6i6NKQdn"
    "n0lXu0MJn5zGCNNQ4PxtI4sq~XPEp4Z8I0wfe95~1jgxelrtYzpywv~6zLiMqdP~XC7BTr2sP4nck5Uz"
    "TWuU9HbmkLrc4DsvgyTBWPxWuKAy6uKOOrYdRmCFPg-tyfnXsVDAKgh0PmzpemPegAqAK8UOWamCkxf4"
    "scFQT-csh7V19CA__&Key-Pair-Id=KTESTRSA000001"
)
CANNED_SHA256 = (
    "https://cdn.example.test/private/a.html?x=1&Expires=4102444800&Signature=Wd8m-QH"
    "burt-nAzZ1-mLSSNvItejNs3m8dGNCkKdSZ8C29k6vlhR2jOT~Mk5FJ4F0vOROxHSqsRb6SIf~VvnreZ"
    "rTV-R9sN-XPdbGb6WJSyQLBumTraHgbKr4fwK~MvfD4t-jCnQ4tS4EoMtbtWlAbG0lqSlIw30KCREDO7"
    "TgKahSuIjE-dmMf4brvu81-GaQD5zGDfFxyFcEuSK-rMPT8XTmeoiiZ58gXYrK-7LOzrBe-q7R-A5q5j"
    "CFTHHtyzgVU0x-sy7b6OnmPN7rDS0MVpCvxqdLQhBSmPz72Pr3zlN3j0JpCup9WF~XtJXMngVOceTwf1"
    "OusgzNJBQgcOTyw__&Key-Pair-Id=KTESTRSA000001&Hash-Algorithm=SHA256"
)
CUSTOM_EC = (
    "https://cdn.example.test/private/b.html?Policy=eyJTdGF0ZW1lbnQiOlt7IlJlc291cmNlI"
    "joiKjovL2Nkbi5leGFtcGxlLnRlc3QvcHJpdmF0ZS8qIiwiQ29uZGl0aW9uIjp7IklwQWRkcmVzcyI6e"
    "yJBV1M6U291cmNlSXAiOiIxOTIuMC4yLjAvMjQifSwiRGF0ZUdyZWF0ZXJUaGFuIjp7IkFXUzpFcG9ja"
    "FRpbWUiOjE1Nzc4MzY4MDB9LCJEYXRlTGVzc1RoYW4iOnsiQVdTOkVwb2NoVGltZSI6NDEwMjQ0NDgwM"
    "H19fV19&Signature=MEUCIQC3EnQGRw6EuES5GFhqSwuUOr6bsmB6ngwUMikkuZbZxgIgLh2gwml2ru"
    "OEXQ6fnsilS3GqhSz0E8s3DnUyLZ8UF30_&Key-Pair-Id=KTESTEC0000001"
)
