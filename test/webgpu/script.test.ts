/** The library as one file, for a page without a bundler. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { describeInBrowser, openPage } from './chromium.ts'

describeInBrowser('the prebuilt module', () => {
  test('works from a script tag', async () => {
    const page = await openPage({ '/cotangent.min.js': readFileSync('dist/cotangent.min.js', 'utf8') })
    const script = `
      import { grad, np } from './cotangent.min.js'
      dispatchEvent(new CustomEvent('answer', { detail: JSON.stringify(grad((x) => np.sum(np.mul(x, x)))(np.array([1, 2, 3]))) }))`
    const code = `const answer = new Promise((resolve) => addEventListener('answer', ({ detail }) => resolve(detail)))
      document.head.append(Object.assign(document.createElement('script'), { type: 'module', textContent: ${JSON.stringify(script)} }))
      return answer`
    expect(await page.evaluate(code)).toBe('[2,4,6]')
    await page.close()
  })
})
