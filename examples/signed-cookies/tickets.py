"""The shop's part: who has paid gets three cookies, by which CloudFront lets them in for a time."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

LASTS_S = 2 * 3_600


def ticket(private_key, key_pair_id, folder, now):
    """Cookies for all below `folder` (https://HOST/lessons/python), until two hours after `now`."""
    condition = {"DateLessThan": {"AWS:EpochTime": int(now) + LASTS_S}}
    statement = {"Resource": f"{folder}/*", "Condition": condition}
    policy = json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
    signature = private_key.sign(policy, padding.PKCS1v15(), hashes.SHA1())
    return {
        "CloudFront-Policy": _in_a_cookie(policy),
        "CloudFront-Signature": _in_a_cookie(signature),
        "CloudFront-Key-Pair-Id": key_pair_id,
    }


def _in_a_cookie(data):
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))
