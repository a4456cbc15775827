/** WebAssembly's number encodings. */

/** Unsigned LEB128. */
export const u32 = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...u32(value >>> 7)])

/** Signed LEB128. */
export const s32 = (value: number): number[] => (value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...s32(value >> 7)])

/** A vector of anything: how many, then each. */
export const list = <T>(items: readonly T[], encode: (item: T) => readonly number[]): number[] =>
  u32(items.length).concat(...items.map(encode))

/** A name, of ASCII characters. */
export const text = (name: string): number[] => list([...name], (letter) => [letter.charCodeAt(0)])
