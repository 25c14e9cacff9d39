/**
 * A LiveQuery client that loses nothing: every subscription keeps its own cursor and resumes from it. Knows nothing of boards.
 *
 * Subscriptions ask for a snapshot first (results and stream in one), later for what they missed `since` their cursor; when that is
 * too old the server says `reload` and the snapshot is asked for again. The server sends progress every 10 s: silence for 12 s is not
 * sure, and from 14 s on the connection is taken for dead. Who looks at the page waits for at most 4.5 s between two tries, whatever
 * the loss; a hidden tab waits longer. At once when the network, the tab or the focus comes back, or any request was answered.
 */

const UNSURE = 12_000;
const SILENCE = 14_000;
// Clients that lost the same server must not come back in the same moment: each waits between half and one and a half of these.
const WAITS = [1000, 2000, 3000];
const HIDDEN_WAIT = 20_000;
// A network that swallows packets answers nothing at all: a try is given up, the next ones are given longer.
const ATTEMPT = 5000;
const LONGEST_ATTEMPT = 15_000;
// Parse: the session is not valid any more.
const ENDED = 209;
const EVENTS = new Set(["create", "enter", "update", "leave", "delete"]);

/**
 * @typedef {object} Handlers
 * @property {(results: object[]) => void} snapshot the whole result: at first, and after a reload
 * @property {(op: string, object: object) => void} event create, enter, update, leave or delete
 * @property {(message: string, code: number) => void} [refused] the server will not serve this subscription
 */

export class LiveQuery {
  #subscriptions = new Map();
  #nextId = 1;
  #socket = null;
  #attempt = 0;
  #retry = 0;
  #watch = 0;
  #settle = 0;
  #tell;

  /**
   * @param {string} url @param {object} hello what connect carries (applicationId …)
   * @param {(state: LiveQuery) => void} tell called whenever `state`, `retryAt`, `caught` or `heardAt` has changed
   */
  constructor(url, hello, tell) {
    this.url = url;
    this.hello = hello;
    this.#tell = tell;
    /** connecting, catching, live, waiting or ended */
    this.state = "connecting";
    this.beganAt = Infinity;
    this.heardAt = 0;
    this.retryAt = 0;
    this.lostAt = Date.now();
    this.caught = 0;
    addEventListener("online", () => this.tryNow());
    addEventListener("offline", () => this.#lost());
    addEventListener("focus", () => this.tryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.tryNow());
    addEventListener("pagehide", () => this.#socket?.close(1000));
    addEventListener("pageshow", (event) => event.persisted && this.tryNow());
  }

  /** Opens the connection, and keeps it open from then on. */
  start() {
    this.#open();
  }

  /** Tries at once: there is reason to think that the network is back. */
  tryNow() {
    if (this.state === "ended") return;
    this.#attempt = 0;
    // A try that began before the network was back may hang on a lost packet; the machine may have slept: the socket looks open and is not.
    const hangs = this.state === "connecting" && Date.now() - this.beganAt > 1000;
    if (hangs || this.isUnsure) this.#lost();
    if (this.state !== "waiting") return;
    clearTimeout(this.#retry);
    this.#open();
  }

  /** Whether a word of the server is overdue. */
  get isSilent() {
    return this.heardAt > 0 && Date.now() - this.heardAt >= UNSURE;
  }

  /** Whether it is on a connection that looks open. */
  get isUnsure() {
    return this.#isConnected && this.isSilent;
  }

  /**
   * @param {{className: string, where?: object, keys?: string[], order?: string, limit?: number, include?: string[], snapshot?: boolean}} query
   *   with `order` and `limit` (or `include`) the server keeps the result: what falls out of it leaves, what comes in enters
   * @param {Handlers} handlers
   * @returns {() => void} ends the subscription
   */
  subscribe(query, handlers) {
    const subscription = { id: 0, query, handlers, cursor: null, ready: false, waits: false };
    this.#file(subscription);
    if (this.#isConnected) this.#ask(subscription);
    return () => {
      this.#subscriptions.delete(subscription.id);
      if (this.#isConnected) this.#send({ op: "unsubscribe", requestId: subscription.id });
    };
  }

  /** A number is never used twice, so that a late frame of an earlier asking cannot be taken for one of the new. */
  #file(subscription) {
    this.#subscriptions.delete(subscription.id);
    subscription.id = this.#nextId++;
    this.#subscriptions.set(subscription.id, subscription);
  }

  get #isConnected() {
    return this.state === "live" || this.state === "catching";
  }

  #open() {
    this.beganAt = Date.now();
    this.#change("connecting");
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#send({ op: "connect", ...this.hello, cursors: true });
      this.#expect(LONGEST_ATTEMPT); // it is there, and has others to greet
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#take(JSON.parse(data));
    socket.onclose = () => this.#socket === socket && this.#lost();
    this.#expect(Math.min(LONGEST_ATTEMPT, ATTEMPT * (1 + this.#attempt / 2)));
  }

  #lost() {
    if (this.state === "ended" || this.state === "waiting") return;
    clearTimeout(this.#watch);
    clearTimeout(this.#settle);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (this.#isConnected) this.lostAt = Date.now();
    for (const subscription of this.#subscriptions.values()) subscription.ready = false;
    const base = document.hidden ? HIDDEN_WAIT : WAITS[Math.min(this.#attempt, WAITS.length - 1)];
    const wait = base * (0.5 + Math.random());
    this.#attempt += 1;
    this.retryAt = Date.now() + wait;
    this.#retry = setTimeout(() => this.#open(), wait);
    this.#change("waiting");
  }

  /** Takes the connection for dead unless something comes within `limit`. */
  #expect(limit) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#lost(), limit);
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #ask(subscription) {
    const { id, query, cursor } = subscription;
    const { className, where = {}, keys, order, limit, include, snapshot = true } = query;
    const kept = { ...(order && limit && { order, limit }), ...(include?.length && { include }) };
    const from = cursor ? { since: cursor } : snapshot ? { snapshot: true } : {};
    subscription.ready = false;
    subscription.waits = !cursor && snapshot;
    this.#send({ op: "subscribe", requestId: id, query: { className, where, ...(keys && { keys }), ...kept }, ...from });
  }

  #take(message) {
    this.heardAt = Date.now();
    this.#expect(SILENCE * (1 + Math.random() / 8)); // not all clients of a server that stalls leave it in the same moment
    const subscription = this.#subscriptions.get(message.requestId);
    if (message.op === "connected") this.#connected();
    else if (message.op === "error") this.#refused(message, subscription);
    else if (message.op === "progress") this.#progress(message.cursor);
    else if (subscription) this.#serve(subscription, message);
    this.#tell(this);
  }

  #connected() {
    this.#attempt = 0;
    this.caught = 0;
    this.#change("catching");
    for (const subscription of this.#subscriptions.values()) this.#ask(subscription);
    this.#settleSoon();
  }

  #serve(subscription, { op, object, results, cursor }) {
    if (op === "reload") {
      this.#send({ op: "unsubscribe", requestId: subscription.id });
      subscription.cursor = null;
      this.#file(subscription);
      this.#ask(subscription);
      return;
    }
    if (op === "subscribed") subscription.ready = true;
    if (op === "snapshot") {
      subscription.waits = false;
      subscription.handlers.snapshot(results);
    }
    if (EVENTS.has(op)) {
      if (this.state === "catching") this.caught += 1;
      subscription.handlers.event(op, object);
    }
    // A snapshot that was asked for and has not come yet must be asked for again after a cut, so "subscribed" is no place to resume from.
    if (cursor && (op !== "subscribed" || subscription.query.snapshot === false)) subscription.cursor = cursor;
    if (this.state === "catching") this.#settleSoon();
  }

  #progress(cursor) {
    for (const subscription of this.#subscriptions.values()) if (subscription.ready && subscription.cursor) subscription.cursor = cursor;
  }

  #refused({ error, code, reconnect }, subscription) {
    const words = String(error ?? "The server refused.");
    if (subscription && code !== ENDED) {
      subscription.ready = true;
      subscription.waits = false;
      subscription.handlers.refused?.(words, code);
    } else if (reconnect === false || code === ENDED) {
      clearTimeout(this.#watch);
      this.#change("ended");
      this.#socket?.close();
    }
  }

  /** Live once every subscription was answered and nothing more of what was missed has come for a moment. */
  #settleSoon() {
    clearTimeout(this.#settle);
    const isWhole = () => [...this.#subscriptions.values()].every((each) => each.ready && !each.waits);
    this.#settle = setTimeout(() => (isWhole() ? this.#change("live") : this.#settleSoon()), 350);
  }

  #change(state) {
    this.state = state;
    this.#tell(this);
  }
}

/** The socket of this server, beside its REST door. @param {{mount: string}} start */
export function socketOf({ mount }) {
  const url = new URL(mount, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

/** What connect carries. @param {{keys: Record<string, string>}} start */
export function helloOf({ keys }) {
  const javascriptKey = keys["X-Parse-Javascript-Key"];
  return { applicationId: keys["X-Parse-Application-Id"], ...(javascriptKey && { javascriptKey }) };
}
