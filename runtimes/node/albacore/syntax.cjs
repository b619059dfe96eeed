// Finds the place of a syntax error, which Node.js tells of scripts and keeps to itself for ES modules.
//
// A program of its own; its arguments are the folder of the function, the file of its handler and the text of the error.
// It compiles the files of the function that lead on from there, and runs none of them. It ends with the error of the
// first one that fails with that text, so that Node.js prints the place; or with nothing.

'use strict';

const fs = require('fs');
const path = require('path');
const { fileURLToPath } = require('url');
const { SourceTextModule } = require('vm');
const { isFile, isModulePackage } = require('./loader.cjs');

const FILES_MAX = 200;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

// How one file names another. More than that may look like it, which makes a file too many and no wrong answer.
const STATIC = /\b(?:import|from)\s*['"]([^'"\n]+)['"]/g;
const DYNAMIC = /\b(?:import|require)\s*\(\s*['"]([^'"\n]+)['"]\s*\)/g;

function main(root, first, message) {
  // Grows while it is walked through.
  const files = new Set([first]);
  for (const file of files) {
    const text = read(file);
    if (mayBeModule(file, text)) {
      compile(file, text, message);
    }
    for (const pattern of [STATIC, DYNAMIC]) {
      for (const [, specifier] of text.matchAll(pattern)) {
        const next = resolve(specifier, file);
        if (next !== undefined && files.size < FILES_MAX && isOwn(root, next)) {
          files.add(next);
        }
      }
    }
  }
}

function read(file) {
  try {
    return fs.statSync(file).size <= FILE_BYTES_MAX ? fs.readFileSync(file, 'utf8') : '';
  } catch {
    return '';
  }
}

// Newer versions of Node.js take a `.js` file for a module by its syntax alone.
function mayBeModule(file, text) {
  return file.endsWith('.mjs') || (file.endsWith('.js') && (isModulePackage(path.dirname(file)) || looksLikeModule(text)));
}

function looksLikeModule(text) {
  return /^\s*(?:import|export)\b/m.test(text);
}

function compile(file, text, message) {
  try {
    // Compiled, but neither linked nor run.
    new SourceTextModule(text, { identifier: file });
  } catch (error) {
    if (String(error) === message) {
      throw error;
    }
  }
}

// Only files that are named by their place: a package is not the function's own.
function resolve(specifier, from) {
  try {
    if (specifier.startsWith('file:')) {
      return fileURLToPath(specifier);
    }
    if (!/^\.{0,2}\//.test(specifier)) {
      return undefined;
    }
    const file = path.resolve(path.dirname(from), specifier.replace(/[?#].*$/, ''));
    // `require` finds files without their extension, too.
    return ['', '.js', '.cjs', '/index.js'].map((end) => file + end).find(isFile);
  } catch {
    return undefined;
  }
}

function isOwn(root, file) {
  const within = path.relative(root, file);
  return isFile(file) && !within.startsWith('..') && !within.split(path.sep).includes('node_modules');
}

main(...process.argv.slice(2));
