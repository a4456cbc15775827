// TypeScript 7 has no JavaScript API for a linter to use, so Babel parses. What types tell is the compiler's business; these rules
// need none, and none of them trips over TypeScript's own nodes (abstract members, parameter types).
import parser from '@babel/eslint-parser'

const on = (...names) => Object.fromEntries(names.map((name) => [name, 'error']))

export default [
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser,
      parserOptions: { requireConfigFile: false, babelOptions: { babelrc: false, configFile: false, presets: ['@babel/preset-typescript'] } },
    },
    rules: {
      ...on('eqeqeq', 'no-var', 'prefer-const', 'no-debugger', 'no-self-assign', 'no-self-compare', 'no-unreachable', 'no-unsafe-finally'),
      ...on('no-empty', 'no-empty-pattern', 'no-sparse-arrays', 'no-useless-catch', 'no-useless-rename', 'no-extra-boolean-cast', 'use-isnan'),
      ...on('no-fallthrough', 'no-duplicate-case', 'no-dupe-else-if', 'no-cond-assign', 'no-loss-of-precision', 'no-async-promise-executor'),
      ...on('no-eval', 'no-throw-literal', 'no-useless-computed-key', 'object-shorthand', 'prefer-rest-params', 'prefer-spread'),
      'no-restricted-imports': ['error', { patterns: [{ regex: '^fp-ts', message: "Import '#fp-ts/…': bundlers drop what isn't used of it." }] }],
      'no-restricted-syntax': [
        'error',
        { selector: 'TSAnyKeyword', message: 'No any: say what it is.' },
        { selector: "CallExpression[callee.property.name='only'][callee.object.name=/^(test|it|describe)$/]", message: 'No focused tests.' },
        { selector: "CallExpression[callee.property.name='skip'][callee.object.name=/^(test|it|describe)$/]", message: 'No skipped tests.' },
      ],
    },
  },
]
