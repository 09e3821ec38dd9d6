"""A small shop in Flask: the application that moves to Rust, one route at a time.

    SESSION_TYPE=redis SESSION_REDIS=redis://127.0.0.1:6379 SECRET_KEY=... python app.py

Without SESSION_TYPE the session is Flask's own, in the cookie.
"""
import json
import os

from flask import Flask, jsonify, request, session


def create_app(config):
    app = Flask(__name__)
    app.config.update(config)
    use_sessions(app)

    @app.route("/")
    def index():
        return jsonify(name=session.get("name"), cart=session.get("cart", []))

    @app.route("/login", methods=["POST"])
    def login():
        session["name"] = request.form["name"]
        return "", 204

    @app.route("/cart", methods=["POST"])
    def cart():
        session["cart"] = session.get("cart", []) + [request.form["item"]]
        return "", 204

    @app.route("/logout", methods=["POST"])
    def logout():
        session.clear()
        return "", 204

    return app


def use_sessions(app):
    """Flask-Session wants clients; the environment, and the Rust application, have URLs."""
    config = app.config
    kind = config.get("SESSION_TYPE")
    if kind is None:
        return
    if kind == "redis":
        from redis import Redis

        config["SESSION_REDIS"] = Redis.from_url(config["SESSION_REDIS"])
    elif kind == "memcached":
        client = config.get("SESSION_MEMCACHED_CLIENT")
        config["SESSION_MEMCACHED"] = memcached(config["SESSION_MEMCACHED"], client)
    elif kind == "mongodb":
        from pymongo import MongoClient

        config["SESSION_MONGODB"] = MongoClient(config["SESSION_MONGODB"])
    elif kind == "sqlalchemy":
        from flask_sqlalchemy import SQLAlchemy

        config["SQLALCHEMY_DATABASE_URI"] = config["SESSION_SQLALCHEMY"]
        config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
    from flask_session import Session

    Session(app)
    if kind == "sqlalchemy":
        # Flask-Session 0.8 has made its table by now; older versions leave that to the application.
        with app.app_context():
            config["SESSION_SQLALCHEMY"].create_all()


def memcached(servers, client):
    """Each client has its own way of choosing among several servers, so that the Rust application has to be told which one it is."""
    servers = servers if isinstance(servers, list) else servers.split(",")
    if client == "pylibmc":
        from pylibmc import Client

        return Client(servers)
    if client == "pymemcache":
        from pymemcache import HashClient

        return HashClient(servers, use_pooling=True)
    from memcache import Client

    return Client(servers)


def environment():
    """The variables with these keys, read as Flask's `from_prefixed_env` does: as JSON, or else as a text."""
    config = {}
    for key, text in os.environ.items():
        if key.startswith(("SESSION_", "SECRET_", "PERMANENT_")):
            try:
                config[key] = json.loads(text)
            except ValueError:
                config[key] = text
    return config


if __name__ == "__main__":
    create_app(environment()).run(port=int(os.environ.get("PORT", 5000)))
