"""Asks PyPI's `dbsc` what it says of signed answers, and lets `cryptography` sign some.

A line of JSON in, a line of JSON out. The package is for Python 3.14; older versions get a copy
in their syntax.
"""

import base64
import json
import pathlib
import re
import shutil
import sys
import sysconfig
import tempfile


def adapted(package):
    """Returns a directory with the verifier in the syntax of this Python."""
    copy = pathlib.Path(tempfile.mkdtemp(prefix="cloakroom-dbsc-"))
    (copy / "dbsc").mkdir()
    (copy / "dbsc/__init__.py").touch()
    for module in ("_json.py", "exceptions.py", "jwt.py"):
        text = (package / module).read_text()
        text = re.sub(r"except (\w+(?:, \w+)+):", r"except (\1):", text)
        (copy / "dbsc" / module).write_text(text)
    return copy


if sys.version_info < (3, 14):
    place = adapted(pathlib.Path(sysconfig.get_path("purelib")) / "dbsc")
    sys.path.insert(0, str(place))

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from dbsc.exceptions import JwtInvalidError
from dbsc.jwt import JwtVerifier, _jwk_to_pem

if sys.version_info < (3, 14):
    shutil.rmtree(place)

HEADER = {"alg": "ES256", "typ": "dbsc+jwt"}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(key, header, payload):
    part = ".".join(encoded(json.dumps(text).encode()) for text in (header, payload))
    r, s = decode_dss_signature(key.sign(part.encode(), ec.ECDSA(hashes.SHA256())))
    return part + "." + encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def register(challenge):
    """Returns the key of a new device, and its registration."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (point.x, point.y))
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    return key, signed(key, HEADER | {"jwk": jwk}, {"jti": challenge})


def verify(jws, jwk):
    """Returns the challenge that it answers. `jwk`: the key of its device, if it is a refresh."""
    verifier = JwtVerifier()
    try:
        parsed = verifier.parse(jws)
        if jwk is None:
            return verifier.verify_registration_jwt(parsed).challenge
        return verifier.verify_refresh_jwt(parsed, _jwk_to_pem(jwk))
    except JwtInvalidError:
        return None


device = None
for line in sys.stdin:
    question = json.loads(line)
    if "register" in question:
        device, answer = register(question["register"])
    elif "refresh" in question:
        answer = signed(device, HEADER, {"jti": question["refresh"]})
    else:
        answer = verify(question["jws"], question.get("jwk"))
    print(json.dumps(answer), flush=True)
