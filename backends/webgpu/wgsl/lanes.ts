/** Values of a row's lanes become one that all of them have: a tree, its upper part in workgroup memory, its lower within subgroups. */
import { times } from './text.ts'

/** Where a row's lanes are: `slice` names a lane's number among them. */
export interface Lanes {
  readonly lanes: number
  /** From one of them to the next: 1 where they are neighbours. */
  readonly step: number
  /** Neighbours that are in one subgroup; 1 where lanes meet in workgroup memory only. */
  readonly near: number
}

export interface Folded {
  /** The variable that holds a lane's value, and then that of all. */
  readonly name: string
  /** The workgroup array over all lanes that it may use. */
  readonly shared: string
  readonly isBool: boolean
  readonly combine: (x: string, y: string) => string
}

export const foldLines = (folded: readonly Folded[], { lanes, step, near }: Lanes): string[] => {
  if (lanes === 1) return []
  const base = step > 1 ? `lane % ${step}u` : near === 1 ? 'lane - slice' : `lane - slice + slice % ${near}u`
  const far = [
    ...folded.map(({ name, shared }) => `${shared}[lane] = ${name};`),
    'workgroupBarrier();',
    `for (var half = ${lanes / 2}u; half >= ${near}u; half >>= 1u) {`,
    'if (slice < half) {',
    ...folded.map(({ shared, combine }) => `${shared}[lane] = ${combine(`${shared}[lane]`, `${shared}[lane + half * ${step}u]`)};`),
    '}',
    'workgroupBarrier();',
    '}',
    ...folded.map(({ name, shared }) => `${name} = ${shared}[${base}];`),
  ]
  const halves = times(Math.log2(near), (i) => near / 2 ** (i + 1))
  return [...(lanes === near ? [] : far), ...halves.flatMap((half) => folded.flatMap((one) => shuffled(one, half)))]
}

/** Combines a lane's value with that of the lane so many away. Bools go as numbers; the shuffle has a line of its own, which all lanes reach. */
const shuffled = ({ name, isBool, combine }: Folded, half: number): string[] => {
  const other = `${name}_${half}`
  const taken = isBool ? `subgroupShuffleXor(u32(${name}), ${half}u) != 0u` : `subgroupShuffleXor(${name}, ${half}u)`
  return [`let ${other} = ${taken};`, `${name} = ${combine(name, other)};`]
}
