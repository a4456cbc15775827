/** What a public function takes: so many arguments, and at most these options as the last of them. */
import { ArgumentError } from './errors.ts'
import { optionsOf, type Schema } from './options.ts'
import { show } from './show.ts'

type Args = readonly unknown[]
type Fn = (...args: never[]) => unknown
/** How many arguments a function has at most. */
export type Count<F extends Fn> = Required<Parameters<F>>['length']
/** The schema of its last one. */
export type OptionsOf<F extends Fn> = Required<Parameters<F>> extends readonly [...unknown[], infer Options] ? Schema<Options> : never

/** What lists hand along with an element: `xs.map(np.exp)` and `xs.reduce(np.add)` mean the element alone. */
const handedAlong = (args: Args, count: number): boolean => {
  const [index, xs] = args.slice(count)
  return args.length === count + 2 && typeof index === 'number' && Array.isArray(xs) && xs[index] === args[count - 1]
}
const surplus = (what: string, count: number, options: readonly string[] | null, args: Args): void => {
  if (handedAlong(args, count)) return
  const plain = options === null ? count : count - 1
  const takes = `${plain} ${plain === 1 ? 'argument' : 'arguments'}${options === null ? '' : ` and options (${options.join(', ')})`}`
  throw new ArgumentError(
    `${what}(${args
      .slice(0, count + 3)
      .map(show)
      .join(', ')}): it takes ${takes}, and got ${args.length} arguments`,
  )
}
/** g with f's type, and the function's name. */
const as = <F extends Fn>(what: string, g: (...args: Args) => unknown): F =>
  Object.defineProperty(g, 'name', { value: what.slice(what.lastIndexOf('.') + 1) }) as Fn as F

/** f of promises, whose refusals are rejections. */
export const promised = <F extends Fn>(f: F): F =>
  ((...args: never[]) => {
    try {
      return f(...args)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }) as F

/** f, which refuses more than `count` arguments. Functions of one and two are what arithmetic calls: they make no list of arguments. */
export const takes = <F extends Fn>(what: string, count: Count<F>, f: F): F => {
  if (count === 1)
    return as<F>(what, (x, ...more) => {
      if (more.length > 0) surplus(what, count, null, [x, ...more])
      return f(x as never)
    })
  if (count === 2)
    return as<F>(what, (x, y, ...more) => {
      if (more.length > 0) surplus(what, count, null, [x, y, ...more])
      return f(x as never, y as never)
    })
  return as<F>(what, (...args) => {
    if (args.length > count) surplus(what, count, null, args)
    return f(...(args as never[]))
  })
}

/** And whose last argument is options: f gets those that were given, checked. */
export const takesOptions = <F extends Fn>(what: string, count: Count<F>, schema: OptionsOf<F>, f: F): F =>
  as<F>(what, (...args) => {
    if (args.length > count) surplus(what, count, Object.keys(schema), args)
    const options = optionsOf(what, schema as Schema<object>, args[count - 1] as object | undefined)
    const whole = args.slice(0, count - 1)
    while (whole.length < count - 1) whole.push(undefined)
    whole.push(options)
    return f(...(whole as never[]))
  })
