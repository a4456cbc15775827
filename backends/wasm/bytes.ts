/**
 * A growing byte buffer with WebAssembly's number encodings (LEB128, little-endian floats).
 * Everything the assembler emits goes through one of these.
 */
const scratch = new DataView(new ArrayBuffer(8))

export class Bytes {
  buffer = new Uint8Array(256)
  length = 0

  private reserve(extra: number): void {
    if (this.length + extra <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
  }

  u8(byte: number): void {
    if (this.length === this.buffer.length) this.reserve(1)
    this.buffer[this.length++] = byte
  }

  /** Unsigned LEB128 of a number below 2^32. */
  u32(value: number): void {
    let rest = value >>> 0
    while (rest > 127) {
      this.u8((rest & 127) | 128)
      rest >>>= 7
    }
    this.u8(rest)
  }

  /** Signed LEB128. */
  s32(value: number): void {
    let rest = value | 0
    while (rest < -64 || rest > 63) {
      this.u8((rest & 127) | 128)
      rest >>= 7
    }
    this.u8(rest & 127)
  }

  s64(value: bigint): void {
    let rest = BigInt.asIntN(64, value)
    while (rest < -64n || rest > 63n) {
      this.u8(Number(rest & 127n) | 128)
      rest >>= 7n
    }
    this.u8(Number(rest & 127n))
  }

  /** Three bytes whatever the value (below 2^21), so that it can be patched later; returns its place. */
  patchable(value: number): number {
    const at = this.length
    this.u8((value & 127) | 128)
    this.u8(((value >>> 7) & 127) | 128)
    this.u8(value >>> 14)
    return at
  }

  f32(value: number): void {
    scratch.setFloat32(0, value, true)
    for (let i = 0; i < 4; i++) this.u8(scratch.getUint8(i))
  }

  f64(value: number): void {
    scratch.setFloat64(0, value, true)
    for (let i = 0; i < 8; i++) this.u8(scratch.getUint8(i))
  }

  bytes(source: Uint8Array): void {
    this.reserve(source.length)
    this.buffer.set(source, this.length)
    this.length += source.length
  }

  append(other: Bytes): void {
    this.bytes(other.view())
  }

  name(text: string): void {
    const encoded = new TextEncoder().encode(text)
    this.u32(encoded.length)
    this.bytes(encoded)
  }

  /** What was written so far, not copied. */
  view(): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(0, this.length)
  }
}
