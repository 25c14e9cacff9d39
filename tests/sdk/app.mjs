// What an app of these tests begins with: the official Parse SDK, unmodified, for a running server: node X.mjs URL APP_ID MASTER_KEY.
import Parse from "parse/node";

export const [url, appId, masterKey] = process.argv.slice(2);
Parse.initialize(appId, undefined, masterKey);
Parse.serverURL = url;

Parse.liveQueryServerURL = url.replace(/^http/, "ws");

export { Parse };
export const useMasterKey = { useMasterKey: true };
/** What makes names this run's own. */
export const tag = Math.random().toString(36).slice(2, 10);

let people = 0;

/** Somebody with a role, made by an administrator, who then signs in: the account, and the options that ask as that one. */
export const person = async (role, more = {}) => {
  people += 1;
  const username = `${role}-${tag}-${people}`;
  const account = new Parse.User({ username, password: "correct horse", email: `${username}@example.com`, role, active: true, ...more });
  await account.save(null, useMasterKey);
  const user = await Parse.User.logIn(username, "correct horse");
  return { user, options: { sessionToken: user.getSessionToken() } };
};

/** A connection for live queries, as one without the master key has it. */
export const live = () => {
  const client = new Parse.LiveQueryClient({ applicationId: appId, serverURL: Parse.liveQueryServerURL, masterKey: undefined });
  client.on("error", () => {});
  client.open();
  return client;
};
