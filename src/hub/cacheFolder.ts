/** Where Hugging Face's libraries keep what they download: by the environment, as Python's `huggingface_hub.constants` reads it. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { FileError } from '../io/errors.ts'

/** `os.path.expandvars(os.path.expanduser(path))`: `~` is the home, `$NAME` and `${NAME}` what they are where they are set. */
const expanded = (name: string, path: string): string => {
  if (/^~[^/\\]/.test(path)) throw new FileError(`${name} is ${path}, and only your own home is known here: give the path in full`)
  const home = path.startsWith('~') ? homedir() + path.slice(1) : path
  return home.replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, plain?: string, braced?: string) => process.env[plain ?? braced!] ?? whole)
}
/** A folder that the environment names; a name that is empty is none. */
const folderBy = (name: string): string | null => (process.env[name] ? expanded(name, process.env[name]) : null)

export const cacheFolder = (): string => {
  const home = (): string => folderBy('HF_HOME') ?? join(folderBy('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface')
  return folderBy('HF_HUB_CACHE') ?? folderBy('HUGGINGFACE_HUB_CACHE') ?? join(home(), 'hub')
}
