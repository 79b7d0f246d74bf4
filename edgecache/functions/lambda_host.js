// Host of a Lambda function of Node.js: see lambda_host.py, which has bounded this process.
//
// Arguments: descriptor, folder, handler, MiB, seconds. A handler is of either of Lambda's kinds:
// one that returns (a promise of) its result, or one that calls back.
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [descriptor, folder, handlerName, memoryMb, timeoutS] = process.argv.slice(2);
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
const ERROR_CHARS_MAX = 1000;
const connection = new net.Socket({ fd: Number(descriptor), readable: true, writable: true });

function send(text) {
  let data = Buffer.from(text);
  if (data.length > MESSAGE_BYTES_MAX) data = Buffer.from('{"error":"its answer is too large"}');
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  connection.write(Buffer.concat([head, data]));
}

function told(error) {
  const named = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return named.split("\n", 1)[0].slice(0, ERROR_CHARS_MAX);
}

async function load() {
  const dot = handlerName.lastIndexOf(".");
  const base = path.join(folder, handlerName.slice(0, dot)), name = handlerName.slice(dot + 1);
  const file = [".js", ".mjs", ".cjs"].map((end) => base + end).find((one) => fs.existsSync(one));
  if (file === undefined) throw new Error(`there is no file for ${handlerName}`);
  const loaded = await import(pathToFileURL(file));
  const handler = loaded[name] ?? loaded.default?.[name];
  if (typeof handler !== "function") throw new TypeError(`${handlerName} is not a function`);
  return handler;
}

function contextOf(message, deadline) {
  return {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    invokedFunctionArn: message.arn,
    memoryLimitInMB: memoryMb,
    awsRequestId: message.request_id,
    logGroupName: `/aws/lambda/us-east-1.${process.env.AWS_LAMBDA_FUNCTION_NAME}`,
    logStreamName: String(process.pid),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  };
}

function run(handler, message) {
  return new Promise((resolve, reject) => {
    const context = contextOf(message, performance.now() + Number(timeoutS) * 1000);
    const callback = (error, result) => (error ? reject(error) : resolve(result));
    context.done = callback;
    context.succeed = resolve;
    context.fail = reject;
    const returned = handler(message.event, context, callback);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
    else if (handler.length < 3 && returned !== undefined) resolve(returned);
  });
}

async function answer(handler, text) {
  try {
    const result = await run(handler, JSON.parse(text));
    return JSON.stringify({ result: result === undefined ? null : result });
  } catch (error) {
    console.error(error);
    return JSON.stringify({ error: told(error) || "Error" });
  }
}

function serve(handler) {
  let received = Buffer.alloc(0);
  connection.on("data", async (data) => {
    received = received.length ? Buffer.concat([received, data]) : data;
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const end = 4 + received.readUInt32BE(0);
      const text = received.toString("utf8", 4, end);
      received = received.subarray(end);
      send(await answer(handler, text));
    }
  });
  send("{}");
}

connection.on("close", () => process.exit(0));
connection.on("error", () => process.exit(0));
load().then(serve, (error) => {
  console.error(error);
  send(JSON.stringify({ error: `it cannot be loaded: ${told(error)}` }));
});
