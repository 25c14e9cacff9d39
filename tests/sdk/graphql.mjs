// Clients of /graphql as an app has them: plain HTTP, and the graphql-ws package, unmodified.
import assert from "node:assert/strict";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, appId, masterKey] = process.argv.slice(2);
const PATIENCE = 60_000;

/** An object is there that was not: `enter` is also said of a new one whose pointers had to be looked up first. */
export const arrives = ({ event }) => event === "create" || event === "enter";

/** One caller: `token` is a session, `"master"` the master key, nothing is nobody. */
export class Caller {
  constructor(token) {
    this.headers = { "X-Parse-Application-Id": appId };
    if (token === "master") this.headers["X-Parse-Master-Key"] = masterKey;
    else if (token) this.headers["X-Parse-Session-Token"] = token;
  }

  async post(query, variables = {}) {
    const headers = { ...this.headers, "Content-Type": "application/json" };
    const answer = await fetch(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
    return answer.json();
  }

  async ask(query, variables) {
    const { data, errors } = await this.post(query, variables);
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  /** The code of the first error. */
  async refused(query, variables) {
    const { errors } = await this.post(query, variables);
    assert.ok(errors, "nothing was refused");
    return errors[0].extensions.code;
  }

  client() {
    return createClient({
      url: `${url.replace("http", "ws")}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: this.headers,
      retryAttempts: 0,
    });
  }
}

/** A new account of a role, signed in. */
export async function signIn(role) {
  const username = `${role}-${Math.random().toString(36).slice(2)}`;
  const fields = { username, password: "a long one", email: `${username}@example.com`, role, active: true };
  const made = await new Caller("master").ask(
    `mutation ($fields: CreateUserFieldsInput) { createUser(input: { fields: $fields }) { user { id objectId } } }`,
    { fields },
  );
  const { logIn } = await new Caller().ask(
    `mutation ($username: String!, $password: String!) {
       logIn(input: { username: $username, password: $password }) { viewer { sessionToken user { username } } }
     }`,
    { username, password: "a long one" },
  );
  assert.equal(logIn.viewer.user.username, username);
  const caller = new Caller(logIn.viewer.sessionToken);
  return Object.assign(caller, { id: made.createUser.user.id, objectId: made.createUser.user.objectId, username });
}

/** A subscription whose events are awaited one after the other; `field` is its root field. Begun once it is told so. */
export class Live {
  static async open(caller, query, variables = {}) {
    const live = new Live(caller.client());
    live.events = live.client.iterate({ query, variables });
    assert.equal((await live.next()).event, "subscribed");
    return live;
  }

  constructor(client) {
    this.client = client;
  }

  async next() {
    const { value, done } = await within(this.events.next());
    assert.equal(done, false, "the subscription ended");
    assert.equal(value.errors, undefined, JSON.stringify(value.errors));
    return Object.values(value.data)[0];
  }

  /** The next event that `wanted` accepts. */
  async until(wanted) {
    for (;;) {
      const event = await this.next();
      if (wanted(event)) return event;
    }
  }

  async close() {
    await this.events.return();
    await this.client.dispose();
  }
}

export function within(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("nothing came in time")), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
