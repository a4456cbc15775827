/** A safetensors file from a header as text (or an object) and the bytes after it, or their number. */
export const file = (header: unknown, body: number | Uint8Array = 0, length?: bigint): Uint8Array<ArrayBuffer> => {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const rest = typeof body === 'number' ? new Uint8Array(body) : body
  const bytes = new Uint8Array(8 + json.length + rest.length)
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(rest, 8 + json.length)
  return bytes
}
