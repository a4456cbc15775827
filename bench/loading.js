// Loading a model's folder beside reading its file: time, and memory at the peak, as the operating system saw it, each in processes of their own.
// `npm run loading [-- --folder F] [--rounds N]`; the folder is bench:language's.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { load } from 'cotangent/hub/node'
import { quantile } from './figures.js'

const text = { type: 'string' }
const { values: flags } = parseArgs({ options: { folder: text, rounds: text, way: text } })
const folder = flags.folder ?? join(tmpdir(), 'cotangent-language')
const file = join(folder, 'model.safetensors')

/** `into` reads into memory that is there already, again and again: what the file's bytes cost without being kept. */
const ways = {
  nothing: async () => null,
  read: () => readFile(file),
  into: async () => {
    const [handle, piece] = [await open(file, 'r'), Buffer.alloc(2 ** 24)]
    while ((await handle.read(piece, 0, piece.length)).bytesRead > 0);
    await handle.close()
  },
  load: async () => (await load(folder)).params,
}
if (flags.way !== undefined) {
  const begin = performance.now()
  const kept = await ways[flags.way]()
  const milliseconds = performance.now() - begin
  console.log(JSON.stringify({ milliseconds, peak: process.resourceUsage().maxRSS * 1024 }))
  globalThis.kept = kept // until the peak is known
} else {
  const { makeFiles } = await import('./language/model.js')
  await makeFiles(folder)
  const run = (way) =>
    JSON.parse(spawnSync(process.execPath, [process.argv[1], '--folder', folder, '--way', way], { encoding: 'utf8' }).stdout)
  const names = Object.keys(ways)
  const runs = Object.fromEntries(names.map((way) => [way, []]))
  for (const way of names) run(way) // the file is in the system's cache from here on
  for (let round = 0; round < Number(flags.rounds ?? 7); round++) for (const way of names) runs[way].push(run(way))
  const { size } = statSync(file)
  const figure = (way) => {
    const times = runs[way].map(({ milliseconds }) => milliseconds)
    const over = Math.max(...runs[way].map(({ peak }) => peak)) - quantile(runs.nothing.map(({ peak }) => peak), 0.5) // prettier-ignore
    return { best: quantile(times, 0), median: quantile(times, 0.5), over }
  }
  const [read, into, loaded] = ['read', 'into', 'load'].map(figure)
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}; a file of ${(size / 1e6).toFixed(0)} MB`,
  )
  const say = (what, { best, median, over }) =>
    console.log(
      `${what}: ${median.toFixed(0)} ms (median; best ${best.toFixed(0)}), ${(over / 1e6).toFixed(0)} MB at the peak, ${(over / size).toFixed(2)} times the file`,
    )
  say('read whole', read)
  say('read by 16 MB, not kept', into)
  say('loaded', loaded)
  console.log(
    `loaded / read whole: ${(loaded.median / read.median).toFixed(2)} times the time, ${(loaded.over / read.over).toFixed(2)} times the bytes`,
  )
}
