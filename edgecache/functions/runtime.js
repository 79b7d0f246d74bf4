// The environment of CloudFront functions, evaluated once in each context. Law: no value outlives
// a run but what was here before the function's source was read.
//
// Its value is one function, `entry(operation, argument)`, by which the engine does everything.
// What the source may reach is frozen; what this file uses itself was taken before that.
(function (runtime) {
  "use strict";
  const G = globalThis;
  const { parse, stringify } = JSON;
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const ownKeys = Reflect.ownKeys, construct = Reflect.construct, apply = Reflect.apply;
  const PromiseOf = Promise, then = Promise.prototype.then, Bytes = Uint8Array;
  const fromCharCode = String.fromCharCode, DateOf = Date, ErrorOf = Error, isArray = Array.isArray;
  const uriEncoded = encodeURIComponent, StringOf = String, MapOf = Map;
  const push = (list, value) => { list[list.length] = value; };
  const STOP = freeze({ toString: () => "Error: wait" });
  const LOG_CHARS_MAX = 10240, DATA_BYTES_MAX = 800, NOTES_MAX = 64;
  const OWN_LINES = 20000; // what is evaluated before the source has line numbers above this
  const second = runtime === "cloudfront-js-2.0";

  let factory, S, begins = 0;

  // UTF-8 and encodings of bytes.

  function utf8(text) {
    const out = [];
    for (let i = 0; i < text.length; i++) {
      let c = text.charCodeAt(i);
      if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.length) {
        const low = text.charCodeAt(i + 1);
        if (low >= 0xdc00 && low < 0xe000) { c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00); i++; }
      }
      if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
      if (c < 0x80) push(out, c);
      else if (c < 0x800) { push(out, 0xc0 | c >> 6); push(out, 0x80 | c & 63); }
      else if (c < 0x10000) {
        push(out, 0xe0 | c >> 12); push(out, 0x80 | c >> 6 & 63); push(out, 0x80 | c & 63);
      } else {
        push(out, 0xf0 | c >> 18); push(out, 0x80 | c >> 12 & 63);
        push(out, 0x80 | c >> 6 & 63); push(out, 0x80 | c & 63);
      }
    }
    return out;
  }

  function textOf(bytes, fatal) { // each maximal part that is wrong is one U+FFFD
    let out = "";
    for (let i = 0; i < bytes.length;) {
      const b = bytes[i++];
      if (b < 0x80) { out += fromCharCode(b); continue; }
      let need = 0, low = 0x80, high = 0xbf, c = 0;
      if (b >= 0xc2 && b <= 0xdf) { need = 1; c = b & 31; }
      else if (b >= 0xe0 && b <= 0xef) {
        need = 2; c = b & 15;
        if (b === 0xe0) low = 0xa0; else if (b === 0xed) high = 0x9f;
      } else if (b >= 0xf0 && b <= 0xf4) {
        need = 3; c = b & 7;
        if (b === 0xf0) low = 0x90; else if (b === 0xf4) high = 0x8f;
      }
      let good = need > 0;
      for (; need > 0; need--) {
        const n = bytes[i];
        if (i >= bytes.length || n < low || n > high) { good = false; break; }
        low = 0x80; high = 0xbf; c = c << 6 | n & 63; i++;
      }
      if (!good) {
        if (fatal) throw new TypeError("The encoded data was not valid");
        out += "\ufffd";
      } else if (c < 0x10000) out += fromCharCode(c);
      else { c -= 0x10000; out += fromCharCode(0xd800 | c >> 10, 0xdc00 | c & 1023); }
    }
    return out;
  }

  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const URL_ALPHABET = ALPHABET.slice(0, 62) + "-_";
  const SIXES = new MapOf();
  for (let i = 0; i < 64; i++) { SIXES.set(ALPHABET[i], i); SIXES.set(URL_ALPHABET[i], i); }
  const sixOf = MapOf.prototype.get;

  function base64(bytes, url) {
    const letters = url ? URL_ALPHABET : ALPHABET;
    let out = "";
    for (let i = 0; i < bytes.length; i += 3) {
      const left = bytes.length - i, n = bytes[i] << 16 | (bytes[i + 1] || 0) << 8 | (bytes[i + 2] || 0);
      out += letters[n >> 18] + letters[n >> 12 & 63];
      if (left > 1) out += letters[n >> 6 & 63]; else if (!url) out += "=";
      if (left > 2) out += letters[n & 63]; else if (!url) out += "=";
    }
    return out;
  }

  function unbase64(text) {
    const out = [];
    let bits = 0, n = 0;
    for (let i = 0; i < text.length; i++) {
      if (text[i] === "=") break;
      const six = apply(sixOf, SIXES, [text[i]]);
      if (six === undefined) break;
      n = n << 6 | six; bits += 6;
      if (bits >= 8) { bits -= 8; push(out, n >> bits & 255); n &= (1 << bits) - 1; }
    }
    return out;
  }

  const HEX = "0123456789abcdef";
  function hex(bytes) {
    let out = "";
    for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i] >> 4] + HEX[bytes[i] & 15];
    return out;
  }
  function unhex(text) {
    const out = [];
    for (let i = 0; i + 1 < text.length; i += 2) {
      const high = HEX.indexOf(text[i].toLowerCase()), low = HEX.indexOf(text[i + 1].toLowerCase());
      if (high < 0 || low < 0) break;
      push(out, high << 4 | low);
    }
    return out;
  }
  function latin1(bytes) {
    let out = "";
    for (let i = 0; i < bytes.length; i++) out += fromCharCode(bytes[i]);
    return out;
  }
  function unlatin1(text) {
    const out = [];
    for (let i = 0; i < text.length; i++) push(out, text.charCodeAt(i) & 255);
    return out;
  }
  function encodingOf(name) {
    const word = name === undefined ? "utf8" : StringOf(name).toLowerCase();
    if (word === "utf-8") return "utf8";
    if (word === "utf8" || word === "hex" || word === "base64" || word === "base64url") return word;
    throw new TypeError('"' + name + '" encoding is not supported');
  }
  function encoded(bytes, name) {
    const word = encodingOf(name);
    if (word === "hex") return hex(bytes);
    if (word === "utf8") return textOf(bytes, false);
    return base64(bytes, word === "base64url");
  }
  function decoded(text, name) {
    const word = encodingOf(name);
    return word === "hex" ? unhex(text) : word === "utf8" ? utf8(text) : unbase64(text);
  }
  function bytesOf(data, name) {
    if (typeof data === "string") return decoded(data, name);
    if (data instanceof ArrayBuffer) return new Bytes(data);
    if (ArrayBuffer.isView(data)) return new Bytes(data.buffer, data.byteOffset, data.byteLength);
    throw new TypeError("data is not a string or Buffer-like object");
  }

  // Buffer.

  class Buffer extends Bytes {
    static alloc(size, fill, encoding) {
      if (typeof size !== "number" || !(size >= 0)) throw new RangeError("invalid size");
      const made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill, 0, size, encoding);
    }
    static allocUnsafe(size) { return Buffer.alloc(size); }
    static byteLength(value, encoding) { return bytesOf(value, encoding).length; }
    static compare(one, other) { return one.compare(other); }
    static concat(list, total) {
      if (!isArray(list)) throw new TypeError('"list" argument must be an instance of Array');
      let size = 0;
      for (let i = 0; i < list.length; i++) size += list[i].length;
      const made = new Buffer(total === undefined ? size : total);
      let at = 0;
      for (let i = 0; i < list.length && at < made.length; i++)
        for (let j = 0; j < list[i].length && at < made.length; j++) made[at++] = list[i][j];
      return made;
    }
    static from(value, second, third) {
      if (typeof value === "string") return filled(decoded(value, second));
      if (value instanceof ArrayBuffer) {
        return third === undefined ? new Buffer(value, second || 0) : new Buffer(value, second, third);
      }
      if (isArray(value) || ArrayBuffer.isView(value)) return filled(value);
      if (value && value.type === "Buffer" && isArray(value.data)) return filled(value.data);
      if (value && typeof value === "object") {
        const inner = value.valueOf();
        if (inner !== value) return Buffer.from(inner, second, third);
      }
      throw new TypeError("first argument is not a string or Buffer-like object");
    }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { try { encodingOf(name); return name !== undefined; } catch (_) { return false; } }
    compare(other, targetStart, targetEnd, sourceStart, sourceEnd) {
      if (!(other instanceof Bytes)) throw new TypeError("target argument must be a Buffer");
      const a = this.subarray(sourceStart || 0, sourceEnd), b = other.subarray(targetStart || 0, targetEnd);
      for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
      return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
    }
    copy(target, targetStart, sourceStart, sourceEnd) {
      const part = this.subarray(sourceStart || 0, sourceEnd), from = targetStart || 0;
      let count = 0;
      for (; count < part.length && from + count < target.length; count++) target[from + count] = part[count];
      return count;
    }
    equals(other) { return this.compare(other) === 0; }
    fill(value, offset, end, encoding) {
      const from = offset || 0, to = end === undefined ? this.length : end;
      if (typeof value === "number") { for (let i = from; i < to; i++) this[i] = value & 255; return this; }
      const bytes = bytesOf(value, encoding);
      for (let i = from; i < to; i++) this[i] = bytes.length ? bytes[(i - from) % bytes.length] : 0;
      return this;
    }
    includes(value, offset, encoding) { return this.indexOf(value, offset, encoding) >= 0; }
    indexOf(value, offset, encoding) {
      const wanted = typeof value === "number" ? [value & 255] : bytesOf(value, encoding);
      let from = offset === undefined ? 0 : offset < 0 ? this.length + offset : offset;
      for (from = from < 0 ? 0 : from; from + wanted.length <= this.length; from++)
        if (matches(this, wanted, from)) return from;
      return -1;
    }
    lastIndexOf(value, offset, encoding) {
      const wanted = typeof value === "number" ? [value & 255] : bytesOf(value, encoding);
      let from = offset === undefined ? this.length : offset < 0 ? this.length + offset : offset;
      from = Math.min(from, this.length - wanted.length);
      for (; from >= 0; from--) if (matches(this, wanted, from)) return from;
      return -1;
    }
    slice(start, end) { return this.subarray(start, end); }
    swap16() { return swapped(this, 2); }
    swap32() { return swapped(this, 4); }
    swap64() { return swapped(this, 8); }
    toJSON() { const data = []; for (let i = 0; i < this.length; i++) push(data, this[i]); return { type: "Buffer", data }; }
    toString(encoding, start, end) { return encoded(this.subarray(start || 0, end), encoding); }
    write(text, offset, length, encoding) {
      if (typeof offset === "string") { encoding = offset; offset = length = undefined; }
      if (typeof length === "string") { encoding = length; length = undefined; }
      const bytes = decoded(text, encoding), from = offset || 0;
      const room = Math.min(this.length - from, length === undefined ? bytes.length : length, bytes.length);
      for (let i = 0; i < room; i++) this[from + i] = bytes[i];
      return room;
    }
  }
  function filled(values) {
    const made = new Buffer(values.length);
    for (let i = 0; i < values.length; i++) made[i] = values[i];
    return made;
  }
  function matches(all, wanted, at) {
    for (let i = 0; i < wanted.length; i++) if (all[at + i] !== wanted[i]) return false;
    return true;
  }
  function swapped(bytes, width) {
    if (bytes.length % width) throw new RangeError("Buffer size must be a multiple of " + width * 8 + "-bits");
    for (let i = 0; i < bytes.length; i += width)
      for (let j = 0; j < width / 2; j++) {
        const other = i + width - 1 - j, kept = bytes[i + j];
        bytes[i + j] = bytes[other]; bytes[other] = kept;
      }
    return bytes;
  }
  function addNumbers() {
    const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const method = (name, value) =>
      defineProperty(Buffer.prototype, name, { value, writable: true, configurable: true });
    for (const [kind, size] of [["Int8", 1], ["Int16", 2], ["Int32", 4], ["Uint8", 1], ["Uint16", 2],
      ["Uint32", 4], ["Float32", 4], ["Float64", 8]]) {
      const word = { Float32: "Float", Float64: "Double" }[kind] || kind;
      for (const end of size === 1 ? [""] : ["LE", "BE"]) {
        const names = [word + end, word.replace("Uint", "UInt") + end];
        for (const name of names) {
          method("read" + name, function (at) { return view(this)["get" + kind](at || 0, end === "LE"); });
          method("write" + name, function (value, at) {
            view(this)["set" + kind](at || 0, value, end === "LE");
            return (at || 0) + size;
          });
        }
      }
    }
    for (const signed of [true, false]) for (const end of ["LE", "BE"]) {
      const read = function (at, count) {
        if (!(count >= 1 && count <= 6)) throw new RangeError("byteLength must be 1 to 6");
        let n = 0;
        for (let i = 0; i < count; i++) n = n * 256 + this[end === "BE" ? at + i : at + count - 1 - i];
        return signed && n >= 2 ** (8 * count - 1) ? n - 2 ** (8 * count) : n;
      };
      const write = function (value, at, count) {
        if (!(count >= 1 && count <= 6)) throw new RangeError("byteLength must be 1 to 6");
        let n = value < 0 ? value + 2 ** (8 * count) : value;
        for (let i = 0; i < count; i++) {
          this[end === "LE" ? at + i : at + count - 1 - i] = n % 256;
          n = Math.floor(n / 256);
        }
        return at + count;
      };
      for (const word of signed ? ["Int"] : ["UInt", "Uint"]) { method("read" + word + end, read); method("write" + word + end, write); }
    }
  }

  // crypto: what is not known yet is noted, and the run begun again with it.

  const ALGORITHMS = ["md5", "sha1", "sha256"];
  class Digest {
    #name; #key; #data = ""; #done = false;
    constructor(name, key) {
      const word = StringOf(name).toLowerCase();
      if (ALGORITHMS.indexOf(word) < 0) throw new TypeError('not supported algorithm: "' + name + '"');
      this.#name = word; this.#key = key;
    }
    update(data, encoding) {
      if (this.#done) throw new ErrorOf("Digest already called");
      this.#data += latin1(bytesOf(data, encoding));
      return this;
    }
    digest(encoding) {
      if (this.#done) throw new ErrorOf("Digest already called");
      this.#done = true;
      const id = this.#name + (this.#key === null ? "" : ":" + this.#key.length + ":" + this.#key) + "\n" + this.#data;
      const known = S.digests[id];
      if (known === undefined) {
        if (S.needs.length < NOTES_MAX) push(S.needs, [this.#name, this.#key, this.#data, id]);
        throw STOP;
      }
      const bytes = unlatin1(known);
      if (encoding === undefined) return second ? filled(bytes) : known;
      if (encoding !== "hex" && encoding !== "base64" && encoding !== "base64url")
        throw new TypeError('Unknown digest encoding: "' + encoding + '"');
      return encoded(bytes, encoding);
    }
  }
  const crypto = {
    createHash: (name) => new Digest(name, null),
    createHmac: (name, key) => new Digest(name, latin1(bytesOf(key))),
  };

  // querystring.

  function unescaped(text) {
    if (text.indexOf("%") < 0) return text;
    const bytes = [];
    const given = utf8(text);
    for (let i = 0; i < given.length; i++) {
      const pair = given[i] === 37 && i + 2 < given.length
        ? unhex(fromCharCode(given[i + 1], given[i + 2])) : [];
      if (pair.length) { push(bytes, pair[0]); i += 2; } else push(bytes, given[i]);
    }
    return textOf(bytes, false);
  }
  const querystring = {
    parse(text, separator, equal, options) {
      const found = {};
      if (typeof text !== "string" || text === "") return found;
      const sep = separator || "&", eq = equal || "=", wishes = options || {};
      const most = wishes.maxKeys === undefined ? 1000 : wishes.maxKeys;
      const decode = wishes.decodeURIComponent || querystring.unescape;
      const parts = text.split(sep);
      let count = 0;
      for (let i = 0; i < parts.length; i++) {
        if (parts[i] === "") continue;
        if (most > 0 && count++ >= most) break;
        const part = parts[i].split("+").join(" "), cut = part.indexOf(eq);
        const name = decode(cut < 0 ? part : part.slice(0, cut));
        const value = cut < 0 ? "" : decode(part.slice(cut + eq.length));
        const before = getOwnPropertyDescriptor(found, name);
        if (before === undefined) defineProperty(found, name, { value, writable: true, enumerable: true, configurable: true });
        else if (isArray(before.value)) push(before.value, value);
        else found[name] = [before.value, value];
      }
      return found;
    },
    stringify(object, separator, equal, options) {
      const sep = separator || "&", eq = equal || "=";
      const encode = (options && options.encodeURIComponent) || querystring.escape;
      const plain = (value) => {
        const kind = typeof value;
        if (kind === "string") return value;
        if (kind === "boolean" || kind === "bigint" || (kind === "number" && isFinite(value))) return "" + value;
        return "";
      };
      let out = "";
      if (object === null || typeof object !== "object") return out;
      for (const name of Object.keys(object)) {
        const values = isArray(object[name]) ? object[name] : [object[name]];
        for (let i = 0; i < values.length; i++)
          out += (out === "" ? "" : sep) + encode(plain(name)) + eq + encode(plain(values[i]));
      }
      return out;
    },
    escape: (text) => uriEncoded(StringOf(text)),
    unescape: (text) => unescaped(StringOf(text).split("+").join(" ")), // as njs has it
  };
  querystring.decode = querystring.parse;
  querystring.encode = querystring.stringify;

  // The module "cloudfront".

  class KeyValueStore {
    #id;
    constructor(id) { this.#id = id; }
    #ask(what, key) {
      return new PromiseOf((resolve, reject) => {
        if (S.asked.length >= NOTES_MAX) throw new ErrorOf("too many reads of a key value store");
        push(S.waiting, [resolve, reject]); push(S.asked, [this.#id, what, key]);
      });
    }
    get(key, options) {
      const format = (options && options.format) || "string";
      if (typeof key !== "string") return PromiseOf.reject(new TypeError("key is not a string"));
      if (format !== "string" && format !== "json" && format !== "bytes")
        return PromiseOf.reject(new TypeError("format is not string, json or bytes"));
      const asked = this.#ask("get", key);
      if (format === "string") return asked;
      return apply(then, asked, [(value) => format === "json" ? parse(value) : filled(utf8(value))]);
    }
    exists(key) { return this.#ask("exists", StringOf(key)); }
    meta() { return this.#ask("meta", ""); }
    count() { return apply(then, this.#ask("meta", ""), [(meta) => meta.keyCount]); }
  }
  function atRequest(name) {
    if (S.event !== "viewer-request") throw new ErrorOf(name + " is for viewer-request functions");
  }
  function refused(name) {
    return () => { throw new ErrorOf(name + " is not supported here"); };
  }
  const cf = {
    kvs(id) {
      const known = id === undefined ? S.stores[0] : id;
      if (known === undefined || S.stores.indexOf(known) < 0)
        throw new ErrorOf("KVSAssociationNotFound: the function has no such key value store");
      return new KeyValueStore(known);
    },
    updateRequestOrigin(properties) { atRequest("updateRequestOrigin"); S.origin = ["update", properties]; },
    selectRequestOriginById(id, overrides) {
      atRequest("selectRequestOriginById"); S.origin = ["select", StringOf(id), overrides || {}];
    },
    createRequestOriginGroup(properties) { atRequest("createRequestOriginGroup"); S.origin = ["group", properties]; },
    logCustomData(data) {
      if (typeof data !== "string") throw new TypeError("logCustomData takes a string");
      S.data = data.slice(0, DATA_BYTES_MAX);
    },
    get edgeLocation() { atRequest("edgeLocation"); return { name: S.edge[0], serverIp: S.edge[1], region: S.edge[2] }; },
    cwt: freeze({ validateToken: refused("cwt.validateToken"), generateToken: refused("cwt.generateToken") }),
    distributionTenant: freeze({ get: refused("distributionTenant"), has: refused("distributionTenant") }),
  };
  const MODULES = new MapOf([["crypto", crypto], ["querystring", querystring]]);
  if (second) { MODULES.set("buffer", { Buffer }); MODULES.set("cloudfront", cf); }
  const moduleOf = MapOf.prototype.get;

  // Globals.

  function FixedDate(...given) {
    if (new.target === undefined) return new DateOf(S.now).toString();
    return construct(DateOf, given.length ? given : [S.now], new.target);
  }
  const now = () => S.now;
  function random() { // of Bob Jenkins' small generators, by Tommy Ettinger: mulberry32
    let t = S.seed = S.seed + 0x6d2b79f5 | 0;
    t = Math.imul(t ^ t >>> 15, t | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  }
  class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text) { return Bytes.from(utf8(text === undefined ? "" : StringOf(text))); }
    encodeInto(text, into) {
      let read = 0, written = 0;
      for (const char of StringOf(text)) {
        const bytes = utf8(char);
        if (written + bytes.length > into.length) break;
        for (let i = 0; i < bytes.length; i++) into[written++] = bytes[i];
        read += char.length;
      }
      return { read, written };
    }
  }
  class TextDecoder {
    #fatal; #keeps;
    constructor(name, options) {
      const word = name === undefined ? "utf-8" : StringOf(name).toLowerCase();
      if (word !== "utf-8" && word !== "utf8") throw new RangeError('The "' + name + '" encoding is not supported');
      this.#fatal = Boolean(options && options.fatal); this.#keeps = Boolean(options && options.ignoreBOM);
    }
    get encoding() { return "utf-8"; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keeps; }
    decode(data) {
      const text = data === undefined ? "" : textOf(bytesOf(data), this.#fatal);
      return !this.#keeps && text[0] === "\ufeff" ? text.slice(1) : text;
    }
  }
  const console_ = {
    log(...given) {
      if (S.logged >= LOG_CHARS_MAX || given.length === 0) return;
      let text = given[0];
      if (typeof text !== "string") {
        try { text = typeof text === "object" && text !== null && !(text instanceof ErrorOf) ? stringify(text) : StringOf(text); }
        catch (_) { text = "[object]"; }
      }
      text = StringOf(text).slice(0, LOG_CHARS_MAX - S.logged);
      S.logged += text.length + 1;
      push(S.logs, text);
    },
  };
  function require(name) {
    const found = apply(moduleOf, MODULES, [name]);
    if (found === undefined) throw new ErrorOf('Cannot find module "' + name + '"');
    return found;
  }
  function noCode() { throw new TypeError('function constructor is disabled in "safe" mode'); }

  function bytesFrom(value, encoding) { // of njs, in the first runtime: a string of bytes
    return latin1(typeof value === "string" ? decoded(value, encoding) : value);
  }

  function closeConstructors() {
    const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
    for (const one of kinds) {
      const prototype = getPrototypeOf(one);
      const closed = function () { noCode(); };
      defineProperty(closed, "prototype", { value: prototype });
      defineProperty(prototype, "constructor", { value: closed, writable: true, configurable: true });
      if (one === kinds[0]) G.Function = closed;
    }
    G.eval = function () { throw new TypeError("eval is not supported"); };
  }

  function setGlobals() {
    FixedDate.prototype = DateOf.prototype;
    for (const name of ["parse", "UTC"]) defineProperty(FixedDate, name, { value: DateOf[name] });
    defineProperty(FixedDate, "now", { value: now });
    defineProperty(FixedDate, "name", { value: "Date" });
    defineProperty(FixedDate, "length", { value: 7 });
    defineProperty(DateOf.prototype, "constructor", { value: FixedDate, writable: true, configurable: true });
    G.Date = FixedDate;
    Math.random = random;
    G.console = console_;
    G.require = require;
    const gone = ["queueMicrotask", "performance", "WeakRef", "FinalizationRegistry", "Atomics", "gc",
      "SharedArrayBuffer", "DOMException", "DisposableStack", "AsyncDisposableStack", "SuppressedError"];
    if (second) Object.assign(G, { Buffer, TextEncoder, TextDecoder });
    else {
      for (const name of ["atob", "btoa", "DataView", "BigInt", "BigInt64Array", "BigUint64Array", "Proxy", "Reflect"]) push(gone, name);
      String.bytesFrom = bytesFrom;
      const method = (name, value) => defineProperty(String.prototype, name, { value, writable: true, configurable: true });
      method("toUTF8", function () { return latin1(utf8(this)); });
      method("fromUTF8", function () { return textOf(unlatin1(this), false); });
      method("toBytes", function () { return latin1(unlatin1(this)); });
      method("fromBytes", function () { return StringOf(this); });
    }
    for (const name of gone) delete G[name];
  }

  // What an object inherits from a frozen prototype, its own code could not set on it otherwise.
  function letOverride(prototype) {
    for (const key of ownKeys(prototype)) {
      const { value, writable, configurable, enumerable } = getOwnPropertyDescriptor(prototype, key);
      if (!writable || !configurable || typeof key !== "string") continue;
      defineProperty(prototype, key, {
        get: () => value,
        set(given) {
          if (this === prototype) throw new TypeError("Cannot assign to read-only property '" + key + "'");
          defineProperty(this, key, { value: given, writable: true, enumerable: true, configurable: true });
        },
        enumerable, configurable: false,
      });
    }
  }

  function freezeAll() {
    for (const name of ["Object", "Function", "Error", "TypeError", "RangeError", "SyntaxError", "ReferenceError",
      "EvalError", "URIError", "InternalError", "AggregateError", "Array", "String", "Number", "Boolean", "RegExp",
      "Promise", "Map", "Set"]) if (G[name]) letOverride(G[name].prototype);
    letOverride(DateOf.prototype);
    const seen = new Set(), left = [G, ...MODULES.values(), STOP, KeyValueStore, Digest, KeyValueStore.prototype, Digest.prototype,
      getPrototypeOf(async function () {}), getPrototypeOf(function* () {}), getPrototypeOf(async function* () {}),
      getPrototypeOf([][Symbol.iterator]()), getPrototypeOf(""[Symbol.iterator]()), getPrototypeOf(new Map().entries()),
      getPrototypeOf(new Set().values()), getPrototypeOf("a".matchAll(/a/g)), getPrototypeOf(Bytes)];
    while (left.length) {
      const one = left.pop();
      if (one === null || (typeof one !== "object" && typeof one !== "function") || seen.has(one)) continue;
      seen.add(one);
      if (!ArrayBuffer.isView(one)) freeze(one);
      left.push(getPrototypeOf(one));
      for (const key of ownKeys(one)) {
        const { value, get, set } = getOwnPropertyDescriptor(one, key);
        left.push(value, get, set);
      }
    }
  }

  // A run.

  function described(error) {
    if (error === STOP) return "Error: a digest is awaited";
    if (error === null) return "InternalError: out of memory"; // what the engine throws then
    if (error instanceof ErrorOf) {
      let place = "";
      try { // a getter of the function's own may throw
        for (const at of StringOf(error.stack).matchAll(/<input>:(\d+)/g))
          if (+at[1] < OWN_LINES) { place = " (line " + at[1] + ")"; break; } // the others are of this file
        return (error.name + ": " + error.message).slice(0, 1000) + place;
      } catch (_) { return "Error"; }
    }
    try { return StringOf(error).slice(0, 1000); } catch (_) { return "Error"; }
  }
  function finished() {
    const { result, error, logs, needs, origin, data } = S;
    if (error !== undefined || needs.length) return stringify({ error: error === undefined ? "" : error, logs, needs });
    try {
      const text = stringify({ result: result === undefined ? null : result, logs, needs, origin, data });
      return S.needs.length ? stringify({ error: "", logs, needs: S.needs }) : text; // a toJSON asked
    } catch (failure) { return stringify({ error: described(failure), logs, needs: S.needs }); }
  }
  function run(text) {
    const given = parse(text), event = given.event;
    S = {
      now: given.now, seed: given.seed, event: event.context.eventType, stores: given.stores, edge: given.edge,
      digests: given.digests, logs: [], logged: 0, needs: [], asked: [], waiting: [], answered: 0,
      origin: null, data: null, result: undefined, error: undefined, settled: false,
    };
    const own = S, raw = given.raw;
    if (event.request) defineProperty(event.request, "rawQueryString", { value: () => raw === null ? undefined : raw });
    let result;
    try {
      const handler = factory();
      if (typeof handler !== "function") throw new ReferenceError("there is no function named handler");
      result = handler(event);
    } catch (error) { S.error = described(error); S.settled = true; return finished(); }
    if (!(result instanceof PromiseOf)) { S.result = result; S.settled = true; return finished(); }
    apply(then, result, [
      (value) => { own.result = value; own.settled = true; },
      (error) => { own.error = described(error); own.settled = true; },
    ]);
    return asking();
  }
  function asking() { // what is asked of stores and not answered yet; empty: nothing
    const { asked, answered } = S;
    if (asked.length === answered) return "";
    return stringify({ asked: answered ? asked.slice(answered) : asked });
  }
  function state() {
    if (S.needs.length || S.settled) return finished();
    return asking() || stringify({ error: "Error: the handler's promise never settles", logs: S.logs, needs: [] });
  }
  function settle(text) {
    for (const [found, value] of parse(text)) {
      const [resolve, reject] = S.waiting[S.answered++];
      if (found) resolve(value); else reject(new ErrorOf(value));
    }
    return "";
  }
  addNumbers();
  closeConstructors();
  setGlobals();
  freezeAll();
  return freeze(function entry(operation, argument) {
    if (operation === "run") return run(argument);
    if (operation === "state") return state();
    if (operation === "settle") return settle(argument);
    factory = argument;
    return "";
  });
})
