/** `cotangent/models`: model families, each `init(key, config) -> params` and `apply(params, …) -> out`. */
import '../runtime.ts'
export * as gpt from './gpt.ts'
