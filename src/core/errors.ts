/** The errors a user can meet: one family, each a sentence that says what was called, on what, and the way out. */

export class CotangentError extends Error {
  override readonly name: string = 'CotangentError'
}
/** Shapes, axes or sizes that don't fit together. */
export class ShapeError extends CotangentError {
  override readonly name = 'ShapeError'
}
/** A dtype that the operation, the transform or the device doesn't take. */
export class DTypeError extends CotangentError {
  override readonly name = 'DTypeError'
}
/** Pytrees whose structures differ, or a leaf that is no array. */
export class TreeError extends CotangentError {
  override readonly name = 'TreeError'
}
/** An argument or an option that the function doesn't take. */
export class ArgumentError extends CotangentError {
  override readonly name = 'ArgumentError'
}
/** A tracer coerced to a value, kept after its trace ended, or a traced function that isn't pure. */
export class TracerError extends CotangentError {
  override readonly name = 'TracerError'
}
/** An array read after it was disposed of or donated. */
export class DeletedArrayError extends CotangentError {
  override readonly name = 'DeletedArrayError'
}
/** A device that can't be had, or can't do what was asked. */
export class DeviceError extends CotangentError {
  override readonly name = 'DeviceError'
}
/** The device went away while arrays were on it: they are gone, and `init` gives another one. */
export class DeviceLostError extends CotangentError {
  override readonly name = 'DeviceLostError'
}
/** A jaxpr that breaks the IR's rules; raised by the checker and the parser. */
export class JaxprError extends CotangentError {
  override readonly name = 'JaxprError'
}
/** An operation that made a NaN, named by `debug.nans`. */
export class NanError extends CotangentError {
  override readonly name = 'NanError'
}
/** What a function under `checkify` found. */
export class CheckError extends CotangentError {
  override readonly name = 'CheckError'
}
/** A function of the user's, called by a program, that threw or gave what wasn't declared. */
export class CallbackError extends CotangentError {
  override readonly name = 'CallbackError'
}
