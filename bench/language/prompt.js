/** What all are given: 128 tokens, spread over the vocabulary of 50257. */
export const PROMPT = Array.from({ length: 128 }, (_, i) => (i * 7919 + 101) % 50257)
export const NEW_TOKENS = 64
