/** A tree's numbers as one text, bit for bit, in Node and in pages alike. */
import { type NdArray, tree } from '../../src/index.ts'

export const digestOf = async (params: unknown): Promise<string> => {
  const parts = await Promise.all((tree.leaves(params) as NdArray[]).map((x) => x.data()))
  const all = new Blob(parts.map((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()))
  return String(new Uint8Array(await crypto.subtle.digest('SHA-256', await all.arrayBuffer())))
}
