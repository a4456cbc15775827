/** `cotangent/models`: model families, each `init(key, config) -> params` and `apply(params, …) -> out`. */
export * as gpt from './gpt.ts'
