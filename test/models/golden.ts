/** The tiny random models that Transformers made, and what it says of them. */
import { readFileSync } from 'node:fs'
import { decodeSafetensors } from '../../src/io/index.ts'
import type { NdArray } from '../../src/index.ts'
import { np, tree } from '../../src/index.ts'
import { fromConfig, type Kind, type Models, type Params } from '../../src/models/model.ts'
import { layoutOf, matched, nameOf } from '../../src/models/names.ts'

interface Data {
  readonly dtype: 'float32' | 'int32'
  readonly shape: readonly number[]
  readonly data: readonly number[]
}
export interface Expected {
  readonly inputs: Readonly<Record<string, Data>>
  readonly logits: Data
  readonly lastHiddenState?: Data
  readonly poolerOutput?: Data
  readonly embeddings?: Data
  readonly scale?: number
  readonly loss: number
  readonly gradNorms: Readonly<Record<string, number>>
  readonly greedy: {
    readonly prompts: readonly (readonly number[])[]
    readonly tokens: readonly (readonly number[])[]
    readonly cached?: readonly (readonly number[])[]
  }
  readonly curve: readonly number[]
}
export const arrayOf = ({ dtype, shape, data }: Data): NdArray => np.array(data as number[], { dtype, shape })

const at = (name: string, file: string): URL => new URL(`../golden/models/${name}/${file}`, import.meta.url)
export const golden = <K extends Kind>(name: string, kind: K) => {
  const model = fromConfig(JSON.parse(readFileSync(at(name, 'config.json'), 'utf8')) as Record<string, unknown>, name) as Models[K]
  if (model.kind !== kind) throw new Error(`${name} is a ${model.kind}`)
  const { tensors } = decodeSafetensors(readFileSync(at(name, 'model.safetensors')), name)
  const layout = layoutOf(model.init)
  const shapes = new Map(Object.entries(tensors).map(([key, x]) => [key, x.shape]))
  const names = matched(model.naming, layout, { what: name, shapes })
  const params = tree.unflatten(layout.def, names.map((key) => tensors[key]!)) as Params[K] // prettier-ignore
  const expected = JSON.parse(readFileSync(at(name, 'expected.json'), 'utf8')) as Expected
  return { model, params, expected, shapes, layout, nameAt: (path: string): string => nameOf(model.naming, path) }
}
