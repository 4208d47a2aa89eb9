// SQS on 127.0.0.1, with a count of its calls: GET /calls answers {"ReceiveMessage": 12, ...}.
//
// fauxqs as it is: its own start listens on all interfaces and cannot be asked what it was called for.

import { buildApp } from "fauxqs";

const calls = {};
const app = buildApp({ logger: false, defaultRegion: process.env.AWS_REGION });

app.addHook("onRequest", (request, _reply, done) => {
  const action = request.headers["x-amz-target"]?.split(".")[1];
  if (action) calls[action] = (calls[action] ?? 0) + 1;
  done();
});
app.get("/calls", async () => calls);

await app.listen({ host: "127.0.0.1", port: 0 });
console.log(app.server.address().port);
