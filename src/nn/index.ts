/** `nn`: layers as plain functions of parameters and arrays. Nothing holds state; a parameter is an array in an object of yours. */
export * from './activations.ts'
export * from './attention.ts'
export * from './convolution.ts'
export * as initializers from './initializers.ts'
export * from './layers.ts'
export * from './losses.ts'
export * from './rope.ts'
