// Reads questions as lines of JSON and prints one answer for each.
//
//   {"name", "frames": ["text" | {"$binary": base64}, …]}    -> {"name", "packets": […], "error"?}
//   {"name", "packet": {type, nsp, id?, data?}}              -> {"name", "frames": […]}
//   {"name", "msgpack": {"$binary": base64}}                 -> {"name", "packets": […], "error"?}
//   {"name", "msgpackPacket": {type, data?, id?, nsp}}       -> {"name", "frames": […]}
//
// Bytes inside a packet are written {"$binary": base64} too.
import { createInterface } from "node:readline";
import msgpack from "socket.io-msgpack-parser";
import { Decoder, Encoder } from "socket.io-parser";

const toBytes = (key, value) =>
  value !== null && typeof value === "object" && typeof value.$binary === "string"
    ? Buffer.from(value.$binary, "base64")
    : value;

function fromBytes(value) {
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  if (Buffer.isBuffer(value)) return { $binary: value.toString("base64") };
  if (Array.isArray(value)) return value.map(fromBytes);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fromBytes(member)]));
}

function decode(frames, decoder = new Decoder()) {
  const packets = [];
  decoder.on("decoded", (packet) => packets.push(fromBytes(packet)));
  try {
    for (const frame of frames) decoder.add(frame);
    return { packets };
  } catch (error) {
    return { packets, error: error.message };
  }
}

function encode(packet, encoder = new Encoder()) {
  return { frames: encoder.encode(packet).map(fromBytes) };
}

function answer(question) {
  if (question.frames) return decode(question.frames);
  if (question.packet) return encode(question.packet);
  if (question.msgpack) return decode([question.msgpack], new msgpack.Decoder());
  return encode(question.msgpackPacket, new msgpack.Encoder());
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line, toBytes);
  console.log(JSON.stringify({ name: question.name, ...answer(question) }));
}
