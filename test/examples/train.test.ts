import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../examples/train/folder.ts'
import { VALIDATION_BATCHES } from '../../examples/train/loop.ts'
import { parametersOf } from '../../examples/train/memory.ts'
import { initialState, keysOf, makeDraw, makeLoss } from '../../examples/train/model.ts'
import { corpusOf } from '../../examples/train/text.ts'
import { load } from '../../src/hub/node.ts'
import { np, random, tree } from '../../src/index.ts'
import { fromNamed } from '../../src/io/index.ts'
import { readSafetensors } from '../../src/io/node.ts'
import { gpt } from '../../src/models/index.ts'
import { tries } from '../effort.ts'
import { type Ended, type Lab, lossesOf, makeLab, rowsOf, small, text } from './run.ts'

let lab: Lab
/** A finished run of sixty steps, and the text it learned. */
let [whole, corpus] = ['', '']
const recipe = [...small, '--steps', '60', '--dropout', '0.1', '--seed', '5']

beforeAll(async () => {
  lab = await makeLab()
  corpus = lab.path('text.txt')
  writeFileSync(corpus, text(2000))
  whole = lab.path('whole')
  const { code, err } = await lab.run(['--text', corpus, '--out', whole, ...recipe])
  expect([code, err]).toEqual([0, ''])
})
afterAll(() => lab.close())

describe('a run', () => {
  test('keeps its configuration, text, metrics, curve, checkpoint and sample, and nothing else', () => {
    expect(readdirSync(whole).sort()).toEqual([
      'checkpoint.safetensors',
      'config.json',
      'loss.svg',
      'metrics.jsonl',
      'model.safetensors',
      'sample.txt',
      'text.txt',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    expect(JSON.parse(readFileSync(join(whole, 'config.json'), 'utf8'))).toMatchObject({
      ...{ steps: 60, device: 'wasm', layers: 1, heads: 2, width: 8, context: 8, batch: 2, lr: 1e-3, dropout: 0.1, seed: 5 },
      ...{ logEvery: 5, evalEvery: 20, text: corpus, textSha256: createHash('sha256').update(text(2000)).digest('hex') },
    })
    expect(readFileSync(join(whole, 'text.txt'), 'utf8')).toBe(text(2000))
    expect(readFileSync(join(whole, 'sample.txt'), 'utf8')).toHaveLength(500)
    const svg = readFileSync(join(whole, 'loss.svg'), 'utf8')
    for (const part of ['<svg', 'training', 'validation', 'loss, nats per character', '</svg>']) expect(svg).toContain(part)
    expect(svg).not.toMatch(/NaN|undefined/)
  })

  test('is a model in Hugging Face’s form, which says what the job’s own says', async () => {
    const { model, params, tokenizer } = await load(whole)
    const { tensors, metadata } = await readSafetensors(join(whole, 'checkpoint.safetensors'))
    const config = { layers: 1, heads: 2, width: 8, context: 8, vocab: (JSON.parse(metadata['vocab']!) as string[]).length }
    const names = Object.fromEntries(Object.entries(tensors).filter(([name]) => name.startsWith('params.')))
    const own = fromNamed(gpt.init(random.key(0), config), names, whole, { prefix: 'params.' })
    const ids = tokenizer!.encode(text(2000).slice(10, 18))
    expect(tokenizer!.decode(ids)).toBe(text(2000).slice(10, 18))
    // Without one of these Transformers doesn't open the folder.
    const parts = ['version', 'added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'model']
    expect(Object.keys(JSON.parse(readFileSync(join(whole, 'tokenizer.json'), 'utf8')) as object)).toEqual(parts)
    const inputIds = np.array([ids], { dtype: 'int32' })
    const apart = np.max(np.abs(np.sub(model.apply(params, { inputIds }).logits, gpt.apply(own, inputIds, { heads: 2 }))))
    expect(apart.item()).toBeLessThan(1e-5)
  })

  test('measures the first step, every fifth, and the validation loss at every twentieth and the last', () => {
    const rows = rowsOf(whole)
    expect(rows.map((r) => r.step)).toEqual([1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60])
    expect(rows.filter((r) => r.valLoss !== undefined).map((r) => r.step)).toEqual([20, 40, 60])
    for (const { step: _, valLoss = 1, ...numbers } of rows)
      for (const [name, value] of [...Object.entries(numbers), ['valLoss', valLoss] as const]) {
        expect(['loss', 'learningRate', 'gradNorm', 'tokensPerSecond', 'bytesInUse', 'valLoss']).toContain(name)
        expect(value, name).toBeGreaterThan(0)
      }
    expect(rows.at(-1)!.loss).toBeLessThan(rows[0]!.loss)
    expect(rows[0]!.learningRate).toBeCloseTo(1e-3 / 7) // six steps of warm-up
    expect(Math.max(...rows.map((r) => r.learningRate))).toBeLessThanOrEqual(1e-3)
  })

  test('holds the same bytes on the device at every step', () => {
    expect(new Set(rowsOf(whole).map((r) => r.bytesInUse)).size).toBe(1)
  })

  test('has the same losses, bit for bit, with the same seed, and others with another', async () => {
    const [again, other] = [lab.path('again'), lab.path('other')]
    await lab.run(['--text', corpus, '--out', again, ...recipe])
    await lab.run(['--text', corpus, '--out', other, ...recipe, '--seed', '6'])
    expect(lossesOf(again)).toEqual(lossesOf(whole))
    expect(lossesOf(other)[0]!.loss).not.toBe(lossesOf(whole)[0]!.loss)
  })

  test('has a checkpoint from which its last validation loss can be computed', async () => {
    const { tensors, metadata } = await readSafetensors(join(whole, 'checkpoint.safetensors'))
    expect(metadata).toEqual({ model: 'gpt', step: '60', heads: '2', vocab: JSON.stringify([...new Set(text(2000))].sort()) })
    const config = readConfig(whole)
    const keys = keysOf(config.seed)
    const { vocab, validation } = corpusOf(text(2000), config.context)
    const like = initialState(keys.weights, config, vocab.length)
    const params = fromNamed(like.params, tensors, 'checkpoint', { prefix: 'params.' })
    expect(np.max(np.abs(np.sub(params.wte.w, like.params.wte.w))).item()).toBeGreaterThan(1e-3)
    const [draw, lossOf] = [makeDraw(config), makeLoss(config)]
    let total = 0
    for (let i = 0; i < VALIDATION_BATCHES; i++) {
      const [x, y] = draw(validation, keys.validation, i)
      total += lossOf(params, x, y).item()
    }
    expect(total / VALIDATION_BATCHES).toBe(rowsOf(whole).at(-1)!.valLoss)
  })

  test('shows plain lines where there is no terminal, then what the model writes', async () => {
    const { out } = await lab.run(['--text', corpus, '--out', lab.path('shown'), ...recipe])
    expect(out).toMatch(/^A GPT of 1,\d\d\d parameters learns \d+-text.txt: 2,000 characters, \d\d of them distinct\.$/m)
    expect(out).toMatch(/^step 20\/60 {3}loss \d\.\d{4} {3}val \d\.\d{4} {3}[\d,]+ tokens\/s {3}\d:\d\d left$/m)
    expect(out).toMatch(/The model writes:\n\n[^]{500,}\n\nLoss curve, metrics, checkpoint and sample are in /)
    expect(out).not.toMatch(/[\r\x1b]/)
  })
})

describe('stopping and resuming', () => {
  test('finds the losses of a run without a stop, wherever and however it was stopped', async () => {
    const stops = fc.array(
      fc.record({ after: fc.integer({ min: 0, max: 1200 }), signal: fc.constantFrom('SIGKILL', 'SIGTERM', 'SIGINT') }),
      { minLength: 1, maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(stops, async (kills) => {
        const folder = lab.path('stopped')
        let resume = false
        for (const { after, signal } of kills) {
          const { code } = await lab.run(resume ? ['--resume', folder] : ['--text', corpus, '--out', folder, ...recipe], (job) => {
            setTimeout(() => job.kill(signal), after)
          })
          resume = existsSync(join(folder, 'config.json')) // else it was killed before the run began
          expect([null, 0, 130, 143]).toContain(code)
        }
        const { code, err } = await lab.run(resume ? ['--resume', folder] : ['--text', corpus, '--out', folder, ...recipe])
        expect([code, err]).toEqual([0, ''])
        expect(lossesOf(folder)).toEqual(lossesOf(whole))
      }),
      { numRuns: tries(3), endOnFailure: true },
    )
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('%s saves, says how to go on and exits with %i', async (signal, expected) => {
    const folder = lab.path('asked')
    const { code, out } = await lab.run(['--text', corpus, '--out', folder, ...recipe, '--steps', '100000'], (job) =>
      job.when('step     25/', () => job.kill(signal)),
    )
    expect(code).toBe(expected)
    const [, step] = /Stopped and saved at step (\d+) of 100000. Go on with: npm start -- --resume /.exec(out)!
    expect(Number(step)).toBeGreaterThanOrEqual(25)
    const { out: more } = await lab.run(['--resume', folder], (job) => job.when('run folder', () => job.kill(signal)))
    expect(more).toContain(`from step ${step} on`)
  })

  test('a second signal ends it at once', async () => {
    const slow = ['--text', corpus, '--width', '64', '--batch', '64', '--steps', '1000'] // so that both signals come within a step
    const { code, out } = await lab.run([...slow, '--out', lab.path('twice')], (job) =>
      job.when('step    1/', () => {
        job.kill('SIGTERM')
        job.kill('SIGINT')
      }),
    )
    expect([130, 143]).toContain(code) // the kernel chooses which comes first
    expect(out).toMatch(/(SIGTERM|SIGINT): finishing the step and saving; once more, and it ends at once/)
    expect(out).not.toContain('Stopped and saved')
  })

  test('a reader that goes away stops it as a signal does', async () => {
    const folder = lab.path('piped')
    const { code, err } = await lab.run(['--text', corpus, '--out', folder, ...recipe, '--steps', '100000'], (job) =>
      job.when('step     25/', () => job.deafen()),
    )
    expect([code, err]).toEqual([141, ''])
    expect(readdirSync(folder)).toContain('checkpoint.safetensors')
  })

  test('a run that is complete only writes again', async () => {
    const before = readFileSync(join(whole, 'metrics.jsonl'), 'utf8')
    const { code, out } = await lab.run(['--resume', whole, '--steps', '60', '--text', corpus])
    expect([code, readFileSync(join(whole, 'metrics.jsonl'), 'utf8')]).toEqual([0, before])
    expect(out).not.toContain('step 60/60')
  })

  test('lines that were doubled or torn by a kill are cut off', async () => {
    const folder = copyRun('torn')
    const metrics = join(folder, 'metrics.jsonl')
    const lines = readFileSync(metrics, 'utf8').trimEnd().split('\n')
    writeFileSync(metrics, [...lines, lines.at(-1)!.replace('"step":60', '"step":65'), lines[3]!.slice(0, 20)].join('\n'))
    await lab.run(['--resume', folder])
    expect(readFileSync(metrics, 'utf8').trimEnd().split('\n')).toEqual(lines)
  })
})

const copyRun = (name: string): string => {
  const folder = lab.path(name)
  mkdirSync(folder)
  for (const file of readdirSync(whole)) copyFileSync(join(whole, file), join(folder, file))
  return folder
}
const contents = (folder: string): unknown => readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')])

describe('refused in one sentence, with nothing lost', () => {
  const large = (...flags: readonly string[]): readonly string[] => ['--text', corpus, '--out', join(whole, 'never'), ...flags]
  const doesNotFit = /^--layers \d+ .* don't fit in memory: .* parameters and the activations .* GiB at least, and wasm has 2 GiB: make one/
  const file = (name: string, data: string | Uint8Array): string => {
    const path = lab.path(name)
    writeFileSync(path, data)
    return path
  }
  const cases: Readonly<Record<string, readonly [args: () => readonly string[], sentence: RegExp]>> = {
    'an unknown flag': [() => ['--sneps', '3'], /^Unknown option '--sneps', did you mean --steps; see --help$/m],
    'an unknown flag with its value': [() => ['--evalevery=3'], /^Unknown option '--evalevery', did you mean --eval-every; see --help$/m],
    'an unknown flag like no other': [() => ['--quantization', '3'], /^Unknown option '--quantization'; see --help$/m],
    'a short flag': [() => ['-x'], /^Unknown option '-x'; see --help$/m],
    'layers beyond memory': [() => large('--layers', '100000'), doesNotFit],
    'a width beyond memory': [() => large('--width', '1000000'), doesNotFit],
    'a batch beyond memory': [() => large('--batch', '9007199254740991'), doesNotFit],
    'layers whose trace is beyond memory': [
      () => [...large('--layers', '1000000'), '--width', '1', '--heads', '1', '--batch', '1', '--context', '1'],
      /tracing 1000000 layers takes .* GiB of JavaScript objects at least, and Node has .*: make --layers smaller/,
    ],
    'layers beyond memory on another device': [() => [...large('--layers', '10000000'), '--device', 'reference'], /and reference has/],
    'a stray word': [() => ['fast'], /'fast'/],
    'a flag without its value': [() => ['--steps'], /--steps/],
    'steps that are no number': [() => ['--steps', 'many'], /--steps many: a whole number of at least 1 is needed/],
    'no steps': [() => ['--steps', '0'], /--steps 0/],
    'half a layer': [() => ['--layers', '1.5'], /--layers 1.5/],
    'a negative rate': [() => ['--lr=-1'], /--lr -1: a number above 0 is needed/],
    'everything dropped': [() => ['--dropout', '1'], /--dropout 1: a number from 0/],
    'a seed too large': [() => ['--seed', '4294967296'], /--seed 4294967296/],
    'heads that don’t divide the width': [() => ['--heads', '3'], /--heads 3 doesn't divide --width 128/],
    'a device that isn’t there': [() => ['--device', 'abacus', '--text', corpus], /device is one of wasm, .*, and got "abacus"/],
    'no text and no sources': [() => [], /sources of the project.*--text FILE/],
    'a text that isn’t there': [() => ['--text', '/none.txt'], /the text \/none.txt can't be read: ENOENT/],
    'a folder as text': [() => ['--text', '/'], /the text \/ can't be read: EISDIR/],
    'an empty text': [() => ['--text', file('empty', '')], /empty is empty/],
    'a text that isn’t UTF-8': [() => ['--text', file('binary', Uint8Array.of(0xff, 0xfe))], /binary isn't UTF-8/],
    'a text shorter than the context': [() => ['--text', file('short', text(649))], /has 649 characters.*at least 650 are needed/],
    'a folder that can’t be made': [() => ['--text', corpus, '--out', join(corpus, 'x')], /the folder .* can't be made: ENOTDIR/],
    'a folder where nothing can be added': [() => ['--text', corpus, '--out', '/proc/run'], /the folder \/proc\/run can't be made: E/],
    'a folder with something in it': [() => ['--text', corpus, '--out', join(corpus, '..')], /isn't empty/],
    'a folder with a run': [() => ['--text', corpus, '--out', whole], /already holds a run: go on with --resume/],
    'a run that isn’t there': [() => ['--resume', lab.path('nowhere')], /holds no run to resume/],
    'out beside resume': [() => ['--resume', whole, '--out', 'x'], /contradict/],
    'another width': [() => ['--resume', whole, '--width', '16'], /--width 16 differs from the 8 that the run/],
    'other steps': [() => ['--resume', whole, '--steps', '70'], /--steps 70 differs from the 60/],
    'another text': [() => ['--resume', whole, '--text', file('other', text(1999))], /differs from the text/],
  }
  for (const [what, [args, sentence]] of Object.entries(cases))
    test(what, async () => {
      const before = contents(whole)
      const { code, out, err } = await lab.run(args())
      expect(err).toMatch(sentence)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
      expect([code, out]).toEqual([1, ''])
      expect(contents(whole)).toEqual(before)
    })

  const broken: Readonly<Record<string, readonly [spoil: (folder: string) => void, sentence: RegExp]>> = {
    'a truncated checkpoint': [
      (f) => truncateSync(join(f, 'checkpoint.safetensors'), 4000),
      /checkpoint.safetensors can't be read: it is truncated/,
    ],
    'a checkpoint of another shape': [
      (f) => writeFileSync(join(f, 'config.json'), readFileSync(join(f, 'config.json'), 'utf8').replace('"context": 8', '"context": 9')),
      /checkpoint.safetensors holds params.wpe.w as f32\[8,8\], and f32\[9,8\] was expected/,
    ],
    'a checkpoint from the future': [
      (f) => writeFileSync(join(f, 'config.json'), readFileSync(join(f, 'config.json'), 'utf8').replace('"steps": 60', '"steps": 50')),
      /is of step 60, and the run has the steps 0 to 50/,
    ],
    'an edited text': [
      (f) => writeFileSync(join(f, 'text.txt'), text(2000).replace('quick', 'QUICK')),
      /text.txt was edited since the run began: put back what it was, or start a new run with --text/,
    ],
    'an edited text of the same characters': [
      (f) => writeFileSync(join(f, 'text.txt'), [...text(2000)].reverse().join('')),
      /text.txt was edited since the run began/,
    ],
    'a text that is gone': [(f) => rmSync(join(f, 'text.txt')), /the text .*text.txt can't be read: ENOENT/],
    'a configuration that is none': [
      (f) => writeFileSync(join(f, 'config.json'), '{"steps": -1}'),
      /config.json isn't the configuration of a run/,
    ],
    'a configuration that isn’t JSON': [(f) => writeFileSync(join(f, 'config.json'), '{'), /config.json isn't the configuration of a run/],
  }
  for (const [what, [spoil, sentence]] of Object.entries(broken))
    test(what, async () => {
      const folder = copyRun('spoiled')
      spoil(folder)
      const before = contents(folder)
      const { code, err } = await lab.run(['--resume', folder])
      expect(err).toMatch(sentence)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
      expect([code, contents(folder)]).toEqual([1, before])
    })

  test('a loss that isn’t finite ends the run; the checkpoint from before stays', async () => {
    const folder = lab.path('hot')
    const { code, err } = await lab.run(['--text', corpus, '--out', folder, ...recipe, '--lr', '1e20'])
    expect([code, err]).toEqual([1, expect.stringMatching(/^the loss is NaN at step \d+: a lower --lr than .*\n$/)])
    expect(rowsOf(folder).every((r) => Number.isFinite(r.loss))).toBe(true)
  })
})

describe('the lock', () => {
  const lockOf = (folder: string): string => join(folder, 'run.lock')

  test('keeps a second job out of the folder of one that runs, by name, and goes with it', async () => {
    const folder = lab.path('locked')
    const second: Ended[] = []
    let pid = ''
    const { code } = await lab.run(['--text', corpus, '--out', folder, ...recipe, '--steps', '100000'], (job) =>
      job.when('step     25/', () => {
        pid = String((JSON.parse(readFileSync(lockOf(folder), 'utf8')) as { readonly pid: number }).pid)
        void Promise.all([lab.run(['--resume', folder]), lab.run(['--text', corpus, '--out', folder, ...recipe])]).then((ended) => {
          second.push(...ended)
          job.kill('SIGTERM')
        })
      }),
    )
    expect([code, second.map((s) => [s.code, s.out])]).toEqual([
      143,
      [
        [1, ''],
        [1, ''],
      ],
    ])
    expect(second[0]!.err).toBe(
      `the run in ${folder} is being trained by process ${pid}: wait for it or stop it (it holds ${lockOf(folder)})\n`,
    )
    expect(second[1]!.err).toContain('already holds a run')
    expect(existsSync(lockOf(folder))).toBe(false)
  })

  test('lets one of many jobs begin', async () => {
    const folder = copyRun('raced')
    writeFileSync(lockOf(folder), JSON.stringify({ pid: 2 ** 22 + 1, began: '1' })) // no process has that number
    const ended = await Promise.all(Array.from({ length: 3 }, () => lab.run(['--resume', folder])))
    expect(ended.some((e) => e.code === 0)).toBe(true)
    for (const { code, err } of ended) if (code !== 0) expect(err).toMatch(/is being trained by process \d+/)
    expect(readdirSync(folder).sort()).toEqual(readdirSync(whole).sort())
  })

  test.each([
    ['a process that was killed', JSON.stringify({ pid: 2 ** 22 + 1, began: '1' })],
    ['another process of its number', JSON.stringify({ pid: process.pid, began: '1' })],
    ['nobody', ''],
    ['something else', '[{"pid":'],
  ])('is taken over from %s', async (_, contents) => {
    const folder = copyRun('stale')
    writeFileSync(lockOf(folder), contents)
    const { code, err } = await lab.run(['--resume', folder])
    expect([code, err]).toEqual([0, ''])
    expect(readdirSync(folder).sort()).toEqual(readdirSync(whole).sort())
  })

  test('of a process that runs stays where it is', async () => {
    const folder = copyRun('held')
    const stat = existsSync('/proc/self/stat') ? readFileSync('/proc/self/stat', 'latin1') : ''
    writeFileSync(lockOf(folder), JSON.stringify({ pid: process.pid, began: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '' }))
    const before = contents(folder)
    const { code, err } = await lab.run(['--resume', folder])
    expect([code, err]).toEqual([1, expect.stringContaining(`is being trained by process ${process.pid}`)])
    expect(contents(folder)).toEqual(before)
  })
})

test('the parameters that are counted beforehand are those that are made', () => {
  const config = { ...readConfig(whole), layers: 3, heads: 2, width: 6, context: 5 }
  const { params } = initialState(keysOf(0).weights, config, 11)
  expect(parametersOf(config, 11)).toBe(tree.reduce((n, p) => n + p.size, params, 0))
})

test('help names every flag', async () => {
  const { code, out } = await lab.run(['--help'])
  expect(code).toBe(0)
  const flags = 'text steps device layers heads width context batch lr dropout seed log-every eval-every out resume help'.split(' ')
  for (const flag of flags) expect(out).toContain(`--${flag} `)
})
