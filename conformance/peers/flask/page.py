"""The endpoint of ENDPOINT.md with Flask and Flask-Session 0.8 on Redis, its default and recommended store."""

import json
import os
import socket

from flask import Flask, Response, request, session
from flask_session import Session
from redis import Redis

app = Flask(__name__)
app.config.update(
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(os.environ["REDIS_URL"]),
    SESSION_PERMANENT=False,
    # Flask's own advice, "Security Considerations: Set-Cookie options".
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_HTTPONLY=True,
    SESSION_COOKIE_SAMESITE="Lax",
)
Session(app)


@app.get("/untouched")
def untouched():
    return Response("[null]")


@app.get("/script")
def script():
    results, status, headers = [], 200, []
    for op in json.loads(request.headers.get("conformance-script", "{}")).get("now", []):
        name, argument = next(iter(op.items())) if isinstance(op, dict) else (op, None)
        result = None
        if name == "get":
            result = session.get(argument)
        elif name == "insert":
            session[argument[0]] = argument[1]
        elif name == "remove":
            result = session.pop(argument, None) is not None
        elif name == "increment":
            result = session[argument] = session.get(argument, 0) + 1
        elif name == "subject":
            result = session.get("user")
        elif name == "sign_in":
            app.session_interface.regenerate(session)
            session["user"] = argument
        elif name == "sign_out":
            session.clear()
        elif name == "rotate":
            app.session_interface.regenerate(session)
        elif name == "status":
            status = argument
        elif name == "header":
            headers.append(argument)
        elif name == "wait":
            host, port = argument.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as gate:
                gate.recv(1)
        elif name == "panic":
            raise RuntimeError("the script says so")
        else:
            result = {"unsupported": name}
        results.append(result)
    response = Response(json.dumps(results), status)
    for header, value in headers:
        response.headers.add(header, value)
    return response
