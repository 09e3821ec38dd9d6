// The endpoint of ENDPOINT.md with express-session 1 and connect-redis, set up as express-session's page advises: no session
// for who stores nothing, and Secure cookies behind a proxy that ends TLS.

const net = require("node:net");
const express = require("express");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { createClient } = require("redis");

const [port, redis] = process.argv.slice(2);
const client = createClient({ url: redis });
const app = express();

app.set("trust proxy", 1);
app.get("/untouched", (_, response) => response.send("[null]"));
app.use(
  session({
    store: new RedisStore({ client, prefix: "express:" }),
    secret: "the suite's",
    resave: false,
    saveUninitialized: false,
    cookie: { secure: true, httpOnly: true, sameSite: "lax" },
  }),
);

const called = (object, method) =>
  new Promise((done, failed) => object[method]((error) => (error ? failed(error) : done())));

const waits = (address) =>
  new Promise((done) => {
    const [host, gate] = address.split(":");
    net.connect(Number(gate), host).on("data", () => {}).on("end", done).on("error", done);
  });

app.get("/script", async (request, response) => {
  const results = [];
  for (const op of JSON.parse(request.get("conformance-script") ?? "{}").now ?? []) {
    const [name, argument] = typeof op === "string" ? [op] : Object.entries(op)[0];
    let result = null;
    // After `destroy` a request has no session any more.
    const here = request.session;
    if (["insert", "increment", "remove"].includes(name) && !here) {
      result = { unsupported: `${name} after destroy` };
    } else if (name === "get") result = here?.[argument] ?? null;
    else if (name === "insert") here[argument[0]] = argument[1];
    else if (name === "remove") result = delete here[argument];
    else if (name === "increment") result = here[argument] = (here[argument] ?? 0) + 1;
    else if (name === "subject") result = here?.user ?? null;
    else if (name === "sign_in") {
      // As the example "User login" of express-session.
      await called(request.session, "regenerate");
      request.session.user = argument;
      await called(request.session, "save");
    } else if (name === "sign_out") await called(request.session, "destroy");
    else if (name === "set_expiry") here.cookie.maxAge = argument[0] * 1000;
    else if (name === "status") response.status(argument);
    else if (name === "header") response.append(argument[0], argument[1]);
    else if (name === "wait") await waits(argument);
    else if (name === "panic") throw new Error("the script says so");
    else result = { unsupported: name };
    results.push(result);
  }
  response.send(JSON.stringify(results));
});

client.connect().then(() => app.listen(Number(port), "127.0.0.1"));
