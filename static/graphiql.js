/** GraphiQL on this server: asks with the session of the page or the keys of its Headers tab, streams subscriptions. */

/* global React, ReactDOM, GraphiQL, graphqlWs */

import { keepMended } from "./amends.js";
import { byId } from "./dom.js";

const start = JSON.parse(byId("start").textContent);

// React and the editor write HTML that they made themselves; nothing may make scripts.
globalThis.trustedTypes?.createPolicy("default", { createHTML: (text) => text });
globalThis.__webpack_nonce__ = start.nonce;

/** What is kept of a visit (queries, their history) is the person's own and ends with the visit: a query may name somebody. */
const own = (name) => `${start.me}:${name}`;
const storage = {
  getItem: (name) => sessionStorage.getItem(own(name)),
  setItem: (name, value) => sessionStorage.setItem(own(name), value),
  removeItem: (name) => sessionStorage.removeItem(own(name)),
  clear: () => sessionStorage.clear(),
  get length() {
    return sessionStorage.length;
  },
};
const { theme } = document.documentElement.dataset;
if (theme && !storage.getItem("graphiql:theme")) storage.setItem("graphiql:theme", theme);

/** Whether a subscription is asked; read off the text itself, since what the editor knows of it comes a moment later. */
function isSubscription({ query, operationName }) {
  try {
    return GraphiQL.GraphQL.parse(query).definitions.some(
      ({ operation, name }) => operation === "subscription" && (!operationName || name?.value === operationName),
    );
  } catch {
    return false; // the server says what is wrong with it
  }
}

const hasKey = (headers) => Object.keys(headers).some((name) => /^(x-parse-(session-token|master-key)|authorization)$/i.test(name));

async function post(params, headers) {
  if (params.operationName === "IntrospectionQuery" && !start.mayIntrospect && !hasKey(headers)) {
    return { errors: [{ message: "Sign in, or give keys as headers, and this page shows the schema." }] };
  }
  const sent = { "Content-Type": "application/json", ...start.keys, ...headers };
  const response = await fetch(start.path, { method: "POST", headers: sent, body: JSON.stringify(params), credentials: "same-origin" });
  return response.json();
}

/** The events of one subscription, over a socket of its own: the keys of a socket are given once. */
const stream = (params, headers) => ({
  subscribe(observer) {
    const client = graphqlWs.createClient({
      url: `${location.origin.replace("http", "ws")}${start.path}`,
      connectionParams: { ...start.keys, ...headers },
    });
    const told = (error) => ("code" in error ? new Error(`The connection was closed: ${error.reason || error.code}`) : error);
    const end = client.subscribe(params, {
      next: (event) => observer.next(event),
      error: (error) => observer.error(told(error)),
      complete: () => observer.complete(),
    });
    return {
      unsubscribe() {
        end();
        client.dispose();
      },
    };
  },
});

const fetcher = (params, { headers = {} } = {}) => (isSubscription(params) ? stream(params, headers) : post(params, headers));

const page = React.createElement(GraphiQL, { fetcher, storage, defaultQuery: start.example, isHeadersEditorEnabled: true });
const place = byId("graphiql");
if (ReactDOM.createRoot) ReactDOM.createRoot(place).render(page);
else ReactDOM.render(page, place);
keepMended();
