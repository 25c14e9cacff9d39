// An app on the official Parse SDK asks for mails: node mail.mjs URL APP_ID ADDRESS
import assert from "node:assert/strict";
import Parse from "parse/node";
import { refused } from "./steps.mjs";

const [url, appId, email] = process.argv.slice(2);
Parse.initialize(appId);
Parse.serverURL = url;

const user = new Parse.User();
user.set({ username: email.split("@")[0], password: "open sesame", email });
await user.signUp();
assert.equal(user.getSessionToken() ?? null, null, "nobody is signed in before the address is confirmed");
await refused(Parse.User.logIn(email, "open sesame"), Parse.Error.EMAIL_NOT_FOUND);

await Parse.User.requestEmailVerification(email);
await Parse.User.requestEmailVerification("nobody@example.org");
await Parse.User.requestPasswordReset(email);
await Parse.User.requestPasswordReset("nobody@example.org");
await refused(Parse.User.requestPasswordReset(""), Parse.Error.EMAIL_MISSING);
console.log("asked");

// The other side confirms the address and sets the password, by the links; then it says so.
await new Promise((go) => process.stdin.once("data", go));
const confirmed = await Parse.User.logIn(email, "from the link");
assert.equal(confirmed.get("emailVerified"), true);
confirmed.set("emailVerified", false);
await refused(confirmed.save(null, { sessionToken: confirmed.getSessionToken() }), Parse.Error.OPERATION_FORBIDDEN);
const again = await Parse.User.logIn(email, "from the link");
const own = { sessionToken: again.getSessionToken() };
await again.save({ emailNotifications: false }, own);
assert.equal((await again.fetch(own)).get("emailNotifications"), false);
console.log("done");
process.exit(0);
