/** The name that somebody may have meant. */

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')
const initials = (name: string): string => plain(name.replace(/(?<=[a-zA-Z0-9])[a-z0-9]/g, ''))

/** Letters to add, drop or replace between two words. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}

/** The same but for case and underscores, within the other, its initials, or a few letters away; null where nothing is near. */
export const nearest = (name: string, names: readonly string[]): string | null => {
  const word = plain(name.slice(0, 60))
  const far = (other: string): number => {
    const own = plain(other)
    const within = own.length > 1 && word.length > 1 && (word.includes(own) || own.includes(word))
    return own === word ? 0 : within || initials(name) === own ? 1 : distance(word, own)
  }
  const [first] = names.map((other) => [far(other), other] as const).sort(([a], [b]) => a - b)
  return first !== undefined && first[0] <= Math.max(1, Math.floor(word.length / 3)) ? first[1] : null
}
