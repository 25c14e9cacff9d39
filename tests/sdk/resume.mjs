// An app on the official Parse SDK whose network is cut: node resume.mjs URL APP_ID. It prints what it hears; the test cuts and writes.
import Parse from "parse/node";

const [url, appId] = process.argv.slice(2);
Parse.initialize(appId);
Parse.serverURL = url;
Parse.liveQueryServerURL = url.replace(/^http/, "ws");
Parse.LiveQuery.on("error", () => {});

const subscription = await new Parse.Query("Ward").greaterThan("beds", 0).subscribe();
subscription.on("open", () => console.log("open"));
for (const event of ["create", "enter", "update", "leave", "delete"]) {
  subscription.on(event, (object) => console.log(event, object.get("beds")));
}
console.log("ready");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
