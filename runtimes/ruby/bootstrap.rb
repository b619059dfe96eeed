# frozen_string_literal: true

# Runs one Ruby function: what `/var/runtime/lib/runtime.rb` is on Lambda. Written for Ruby 3.0 and later.

require_relative "albacore/main"

Albacore::Main.run
