// Signing in by others with the official Parse SDK: node sign_in.mjs URL APP_ID TOKENS, the tokens being id tokens of one person
// and of another, as JSON: [{id, id_token}, {id, id_token}]
import assert from "node:assert/strict";
import Parse from "parse/node";
import { refused, step } from "./steps.mjs";

const [url, appId, tokens] = process.argv.slice(2);
const [ana, ben] = JSON.parse(tokens);
Parse.initialize(appId);
Parse.serverURL = url;

// The app's side of a provider, as the SDK asks for it.
const hospital = {
  getAuthType: () => "hospital",
  restoreAuthentication: () => true,
  deauthenticate: () => {},
  authenticate: ({ success }) => success(hospital, ana),
};
Parse.User._registerAuthenticationProvider(hospital);

const first = await Parse.User.logInWith("hospital", { authData: ana });
assert.ok(first.id && first.getSessionToken().startsWith("r:"));
assert.equal(first.existed(), false);
assert.ok(first._isLinked("hospital"));
const again = await Parse.User.logInWith("hospital", { authData: ana });
assert.equal(again.id, first.id);
assert.equal(again.existed(), true);
assert.notEqual(again.getSessionToken(), first.getSessionToken());
const asked = await Parse.User.logInWith(hospital);
assert.equal(asked.id, first.id);
step("log in with, again, and by asking the provider");

await refused(Parse.User.logInWith("hospital", { authData: { id: "somebody", id_token: ana.id_token } }), 101);
await refused(Parse.User.logInWith("hospital", { authData: { id: ana.id } }), 101);
await refused(Parse.User.logInWith("nobody", { authData: { id: "1" } }), 252);
step("refusals");

const name = `ben-${Math.random().toString(36).slice(2)}`;
const person = await Parse.User.signUp(name, "correct horse");
const mine = { sessionToken: person.getSessionToken() };
await refused(person.linkWith("hospital", { authData: ana }, mine), 208);
person.set("authData", {});
await person._linkWith("hospital", { authData: ben }, mine);
assert.ok(person._isLinked("hospital"));
const byHospital = await Parse.User.logInWith("hospital", { authData: ben });
assert.equal(byHospital.id, person.id);
assert.equal(byHospital.get("username"), name);
step("link");

// One device has one session of an account, and the last sign-in has it.
await person._unlinkFrom("hospital", { sessionToken: byHospital.getSessionToken() });
assert.ok(!person._isLinked("hospital"));
const fresh = await Parse.User.logInWith("hospital", { authData: ben });
assert.notEqual(fresh.id, person.id);
assert.equal((await Parse.User.logIn(name, "correct horse")).id, person.id);
step("unlink");

const guest = await Parse.AnonymousUtils.logIn();
assert.ok(Parse.AnonymousUtils.isLinked(guest));
const session = { sessionToken: guest.getSessionToken() };
guest.set("username", `guest-${name}`);
guest.set("password", "correct horse");
await guest.signUp(null, session);
assert.equal((await Parse.User.logIn(`guest-${name}`, "correct horse")).id, guest.id);
step("a guest becomes a person");

console.log("done");
