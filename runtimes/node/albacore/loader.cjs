// Finds the handler: CommonJS and ES modules. Source: Lambda 1.7, 3.5.

'use strict';

const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { RuntimeError, textOf } = require('./failures.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

// How long the place of a syntax error is looked for.
const SEARCH_MS = 3000;

// Runtimes from this one on know no callbacks, whatever version of Node.js serves them.
const FIRST_WITHOUT_CALLBACKS = 24;
// From this version on, Node.js can run TypeScript.
const FIRST_WITH_TYPESCRIPT = 24;

// `a/b.obj.fn` is the export `obj.fn` of the file `b.js` (or `.mjs` and so on) in the folder `a`.
async function load(root, text, require) {
  if (text.includes('..')) {
    throw new RuntimeError(
      'MalformedHandlerName',
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(text);
  const folder = text.slice(0, text.indexOf(base));
  const dot = base.indexOf('.');
  if (dot < 0) {
    throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  }
  offerStreaming();
  const loaded = await loadModule(path.resolve(root, folder), base.slice(0, dot), require, [root, folder]);
  const run = base
    .slice(dot + 1)
    .split('.')
    .reduce((object, key) => object && object[key], loaded);
  if (!run) {
    throw new RuntimeError('HandlerNotFound', `${text} is undefined or not exported`);
  }
  if (typeof run !== 'function') {
    throw new RuntimeError('HandlerNotFound', `${text} is not a function`);
  }
  return described(run);
}

function described(run) {
  const streaming = run[STREAMING] || false;
  if (streaming && streaming !== 'response') {
    throw new RuntimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  const highWaterMark = Number.parseInt(run[HIGH_WATER_MARK], 10);
  const knowsCallbacks = !(runtimeMajor() >= FIRST_WITHOUT_CALLBACKS);
  if (!knowsCallbacks && !streaming && run.length >= 3) {
    throw new RuntimeError(
      'CallbackHandlerDeprecated',
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need ' +
        'to modify this function to use a supported handler signature to use Node.js 24 or later. For more ' +
        'information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.',
    );
  }
  return {
    run,
    isStreaming: Boolean(streaming),
    highWaterMark: Number.isNaN(highWaterMark) ? undefined : highWaterMark,
    isAsync: Boolean(run.constructor) && run.constructor.name === 'AsyncFunction',
    knowsCallbacks,
  };
}

function runtimeMajor() {
  const match = /nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV || '');
  return match ? Number(match[1]) : Number.NaN;
}

// The global that streaming functions use.
function offerStreaming() {
  globalThis.awslambda = {
    streamifyResponse: (run, options) => {
      run[STREAMING] = 'response';
      if (options && typeof options.highWaterMark === 'number') {
        run[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      }
      return run;
    },
    get HttpResponseStream() {
      return require('./streaming.cjs').HttpResponseStream;
    },
  };
}

async function loadModule(folder, name, require, searched) {
  const file = path.join(folder, name);
  try {
    return await tryFiles(file, name, require, searched);
  } catch (error) {
    if (error instanceof SyntaxError) {
      const wrapped = new RuntimeError('UserCodeSyntaxError', textOf(error));
      wrapped.stack = placeOf(error, searched[0], file) + error.stack;
      throw wrapped;
    }
    if (error && error.code === 'MODULE_NOT_FOUND') {
      throw new RuntimeError('ImportModuleError', textOf(error));
    }
    throw error;
  }
}

// The file and the line of a syntax error. Of a script the stack begins with them; of an ES module Node.js keeps them to
// itself, but tells them when the module is compiled again by a program that ends with the error.
function placeOf(error, root, file) {
  if (!error.stack.startsWith('SyntaxError')) {
    return '';
  }
  const first = ['', '.js', '.mjs', '.cjs'].map((extension) => file + extension).find(isFile);
  if (first === undefined) {
    return '';
  }
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const search = [...flags, path.join(__dirname, 'syntax.cjs'), root, first, textOf(error)];
  const options = { encoding: 'utf8', timeout: SEARCH_MS, stdio: ['ignore', 'ignore', 'pipe'] };
  const { stderr } = require('child_process').spawnSync(process.execPath, search, options);
  const end = stderr ? stderr.indexOf('SyntaxError') : -1;
  return end > 0 ? stderr.slice(0, end) : '';
}

// The order is Lambda's.
async function tryFiles(file, name, require, searched) {
  const isModule = isModulePackage(path.dirname(file));
  const hasTypeScript = Number.parseInt(process.versions.node, 10) >= FIRST_WITH_TYPESCRIPT;
  const asScript = (path) => require(path);
  const asModule = (path) => import(pathToFileURL(path).href);
  const ways = [
    ['', asScript],
    ['.js', isModule ? asModule : asScript],
    ['.mjs', asModule],
    ['.cjs', asScript],
  ];
  if (hasTypeScript) {
    ways.push(['.ts', isModule ? asModule : asScript], ['.mts', asModule], ['.cts', asScript]);
  }
  for (const [extension, loadFile] of ways) {
    if (isFile(file + extension)) {
      return loadFile(file + extension);
    }
  }
  // A package, perhaps. The words of its error are those of Node.js.
  return require(require.resolve(name, { paths: searched }));
}

function isFile(file) {
  try {
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

// Does the nearest `package.json` say that `.js` files are ES modules?
function isModulePackage(folder) {
  for (let at = folder; !at.endsWith('/node_modules'); at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module';
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (at === path.dirname(at)) {
      return false;
    }
  }
  return false;
}

module.exports = { isFile, isModulePackage, load };
