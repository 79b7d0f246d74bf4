"""Certificates by ACME (RFC 8555): challenges that edges answer, and certificates issued for sites.

Words: *token* and *challenge* as in the RFC; *certificate authority*, where an account of ours is;
*renewal*, due once two thirds of a certificate's life are over.

- `orders`: the account and the orders at an authority, by certbot's library (an extra, `acme`),
  and what edges answer: tokens of orders, and of a folder
- `issuance`: which certificates are due, when to try again, what edges are told

May import what `control` may. The library is imported when it is needed.
"""
