// ONNX models as bytes: the few messages of onnx.proto3 that a graph of operators needs, by field number.
const utf8 = new TextEncoder()

const varint = (n) => {
  const bytes = []
  for (let rest = BigInt.asUintN(64, BigInt(n)); ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)]
    bytes.push(Number(rest & 127n) | 128)
  }
}
const size = (parts) => parts.reduce((sum, part) => sum + part.length, 0)
/** A field whose value is bytes, text or a message, as a list of pieces. */
const bytes = (field, pieces) => [varint((field << 3) | 2), varint(size(pieces)), ...pieces]
const text = (field, value) => bytes(field, [utf8.encode(value)])
const int = (field, value) => [varint(field << 3), varint(value)]
const float = (field, value) => [varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)]

/** TensorProto's numbers of element types. */
const TYPES = { float32: 1, int32: 6, int64: 7 }
const typeOf = (data) => (data instanceof Float32Array ? 1 : data instanceof Int32Array ? 6 : 7)
const attribute = ([name, value]) => {
  if (Array.isArray(value)) return bytes(5, [...text(1, name), ...value.flatMap((n) => int(8, n)), ...int(20, 7)])
  return bytes(5, [
    ...text(1, name),
    ...(Number.isInteger(value) ? [...int(3, value), ...int(20, 2)] : [...float(2, value), ...int(20, 1)]),
  ])
}
const node = ({ op, inputs, outputs, attributes = {}, domain = '' }) =>
  bytes(1, [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(attribute),
    ...text(7, domain),
  ])
const initializer = ([name, { shape, data }]) => {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return bytes(5, [...shape.flatMap((n) => int(1, n)), ...int(2, typeOf(data)), ...text(8, name), ...bytes(9, [raw])])
}
const value = (field, [name, of]) => {
  const { shape, dtype } = Array.isArray(of) ? { shape: of, dtype: 'float32' } : of
  const dims = bytes(2, shape.flatMap((n) => bytes(1, typeof n === 'string' ? text(2, n) : int(1, n)))) // prettier-ignore
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...int(1, TYPES[dtype]), ...dims]))])
}

/**
 * A model. `inputs` and `outputs`: shapes of float32 by name, or { shape, dtype }, with texts for sizes that vary; `weights`: { shape, data } by
 * name. An input that is named '' isn't there.
 */
export const model = ({ nodes, inputs, outputs, weights = {} }) => {
  const opset = (domain, version) => bytes(8, [...text(1, domain), ...int(2, version)])
  const graph = [
    ...nodes.flatMap(node),
    ...text(2, 'graph'),
    ...Object.entries(weights).flatMap(initializer),
    ...Object.entries(inputs).flatMap((input) => value(11, input)),
    ...Object.entries(outputs).flatMap((output) => value(12, output)),
  ]
  const pieces = [...int(1, 9), ...opset('', 20), ...opset('com.microsoft', 1), ...bytes(7, graph)]
  const all = new Uint8Array(size(pieces))
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0)
  return all
}
