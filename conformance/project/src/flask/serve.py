"""Serves the guide's application once for each configuration, under its name, with a few routes more that look into sessions.

    python serve.py APP.PY CONFIGURATIONS.JSON
"""
import datetime
import decimal
import json
import runpy
import sys
import threading
import uuid
import warnings
import zoneinfo

warnings.simplefilter("ignore")

import pytz
from flask import jsonify, request, session
from markupsafe import Markup
from werkzeug.serving import WSGIRequestHandler, make_server

try:
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
except ImportError:
    from werkzeug.wsgi import DispatcherMiddleware

# What every format can carry, and what some can.
PLAIN = {
    "answer": 42,
    "below": -7,
    "large": 2**40,
    "name": "Zo\u00eb \u2603 \U0001f36a",
    "empty": "",
    "yes": True,
    "no": False,
    "nothing": None,
    "half": 0.5,
    "list": [1, "two", None, [3.25]],
    "nested": {"a": {"b": [True, {}]}, "c": "d"},
}
TYPED = {
    "bytes": {"raw": b"\x00\xff\x80 bytes"},
    "tuple": {"pair": (1, "two", (3,))},
    "set": {"group": {1}},
    "huge": {"huge": 2**200},
    "uuid": {"uuid": uuid.UUID("2f1c1f0e-7a3b-4c55-9c3e-8f6f3a0d9b11")},
    "markup": {"markup": Markup("<b>&amp;</b>")},
    "date": {"date": datetime.datetime(2026, 11, 21, 6, 30, 1, tzinfo=datetime.timezone.utc)},
    "tagged": {"tagged": {" t": [1]}},
    "frozen": {"frozen": frozenset([1])},
    "uuid1": {"uuid1": uuid.UUID("f4f1e69a-e596-11f1-ae20-02fc00000001", is_safe=uuid.SafeUUID.unsafe)},
    "day": {"day": datetime.date(2026, 11, 21)},
    "span": {"span": datetime.timedelta(-1, 2, 3)},
    "money": {"money": decimal.Decimal("1.50")},
    "time": {"time": datetime.time(1, 2, 3, 4, datetime.timezone(datetime.timedelta(hours=1), "CET"))},
    "zoned": {"zoned": datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))},
    "pytz": {"pytz": pytz.utc.localize(datetime.datetime(2026, 7, 1))},
    "local": {"local": pytz.timezone("Europe/Berlin").localize(datetime.datetime(2026, 7, 1))},
    "array": {"array": bytearray(b"a\xff")},
    "complex": {"complex": 1.5 + 2j},
    "file": {"file": "caf\udce9 \u2603"},
    "infinite": {"infinite": float("-inf")},
}
# Shown as what pickle makes them of.
REDUCED = (datetime.datetime, datetime.time, datetime.tzinfo, bytearray)


def show(value):
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        # Flask 1.1 reads its cookie so; what it has written is UTC.
        value = value.replace(tzinfo=datetime.timezone.utc)
    if isinstance(value, datetime.datetime) and type(value.tzinfo) is datetime.timezone:
        return str(int(value.timestamp()))
    if isinstance(value, REDUCED):
        function, arguments = value.__reduce_ex__(4)[:2]
        return "{}({})".format(function.__qualname__, ", ".join(map(show, arguments)))
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return str(value // datetime.timedelta(seconds=1))
    if isinstance(value, str) and not value.isprintable():
        return ascii(value)
    return repr(value)


def probes(app):
    held, go = threading.Event(), threading.Event()

    @app.route("/probe/write", methods=["POST"])
    def write():
        if "permanent" in request.args:
            session.permanent = request.args["permanent"] == "1"
        session.update(PLAIN)
        for name in filter(None, request.args.get("types", "").split(",")):
            session.update(TYPED[name])
        return "", 204

    @app.route("/probe/read")
    def read():
        return jsonify({key: [type(value).__name__, show(value)] for key, value in session.items()})

    @app.route("/probe/set", methods=["POST"])
    def put():
        session[request.args["key"]] = request.args["value"]
        return "", 204

    @app.route("/probe/drop", methods=["POST"])
    def drop():
        session.pop(request.args["key"], None)
        return "", 204

    @app.route("/probe/untouched")
    def untouched():
        return "", 204

    @app.route("/probe/new")
    def new():
        return jsonify(session.new)

    # Why a write is refused.
    @app.route("/probe/refused", methods=["POST"])
    def refused():
        try:
            session["a"] = 1
        except RuntimeError as error:
            return str(error)
        return "it was not", 500

    @app.route("/probe/clear", methods=["POST"])
    def clear():
        session.clear()
        return "", 204

    # A request that loads its session, and stays until another one lets it go on.
    @app.route("/probe/hold", methods=["POST"])
    def hold():
        if "read" in request.args:
            session.get("held")
        else:
            session["held"] = "by flask"
        go.clear()
        held.set()
        if not go.wait(20):
            return "nobody let it go", 500
        return "", 204

    # Answers when a request is held.
    @app.route("/probe/release", methods=["POST"])
    def release():
        if not held.wait(20):
            return "nothing is held", 500
        held.clear()
        return "", 204

    @app.route("/probe/go", methods=["POST"])
    def let_go():
        go.set()
        return "", 204

    @app.errorhandler(Exception)
    def failed(error):
        code = getattr(error, "code", None) or 500
        return "{}: {}".format(type(error).__name__, error), code

    return app


class Quiet(WSGIRequestHandler):
    # Connections that stay open, as browsers and proxies keep them.
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


def make(create_app, config):
    redis = config.pop("SNIPPET", None)
    app = create_app(config)
    if redis:
        from redis import Redis
        from snippet import RedisSessionInterface

        app.session_interface = RedisSessionInterface(Redis.from_url(redis))
    return probes(app)


def main(app_py, configurations):
    create_app = runpy.run_path(app_py)["create_app"]
    with open(configurations) as file:
        apps = {"/" + name: make(create_app, config) for name, config in json.load(file).items()}

    def nowhere(_, start_response):
        start_response("404 Not Found", [("Content-Length", "0")])
        return [b""]

    server = make_server("127.0.0.1", 0, DispatcherMiddleware(nowhere, apps), threaded=True, request_handler=Quiet)
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
