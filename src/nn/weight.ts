/** A weight is a value that knows how to be multiplied: dense ones are arrays, others extend this class. */
import { NdArray } from '../core/array.ts'
import type { DType } from '../core/dtype.ts'
import { DTypeError } from '../core/errors.ts'
import { either, option, type OptionKind } from '../core/options.ts'

/**
 * What `nn.linear` takes as `weight`, and `nn.embedding` as `w`, in place of an array: quantised, of low rank, several at once. Make the class a
 * node of trees with `tree.registerNode`: its children are its parameters, of which `grad` gives the derivatives, whatever `matmul` does with
 * them; what it holds beside them is constant.
 *
 * @example class Doubled extends nn.Weight {
 *   constructor(readonly of: NdArray) { super() }
 *   get shape() { return [this.of.shape[0]!, this.of.shape[1]!] as const }
 *   get dtype() { return this.of.dtype }
 *   matmul(x: NdArray) { return nn.linear({ weight: this.of }, x).mul(2) }
 *   take(ids: NdArray) { return nn.embedding({ w: this.of }, ids).mul(2) }
 * }
 * nn.linear({ weight: new Doubled(np.eye(2)) }, np.array([1, 2])) // [2, 4]
 */
export abstract class Weight {
  /** [O,I]: what it stands for. */
  abstract readonly shape: readonly [out: number, into: number]
  /** What its products are, where the input is no wider. */
  abstract readonly dtype: DType
  /** x weightᵀ: [...,I] -> [...,O]. `preferred`: the dtype that sums of 16-bit floats are wanted in, since a bias is added before they are rounded. */
  abstract matmul(x: NdArray, preferred: DType | null): NdArray
  /** Its rows: int [...] -> [...,I]. */
  abstract take(ids: NdArray): NdArray
}
const kind = option<Weight>(DTypeError, 'a weight', (x) => x instanceof Weight)
export const weightKind: OptionKind<NdArray | Weight> = either(
  option<NdArray>(DTypeError, 'an array', (x) => x instanceof NdArray),
  kind,
)
