# frozen_string_literal: true

# From the start of the interpreter to the loop over invocations.
#
# Sources: Lambda 2 (Runtime API), 3.2 (environment), 3.5 (error types), 5.8 (error payloads).

require "json"
require "stringio"
require_relative "api"
require_relative "context"
require_relative "failures"
require_relative "logs"

module Albacore
  # A handler: `file.method`, or `file.Class.method` of a class or a module.
  Handler = Struct.new(:file, :receiver, :method) do
    def self.parse(text)
      folder, name = text.rpartition("/").values_at(0, 2)
      parts = name.split(".", -1)
      unless (2..3).cover?(parts.size) && parts.none?(&:empty?)
        raise ArgumentError, "Invalid handler #{text}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                             "FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional " \
                             "module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a " \
                             "class-level method."
      end
      file = folder.empty? ? parts.first : "#{folder}/#{parts.first}"
      new(file, parts.size == 3 ? parts[1] : nil, parts.last)
    end

    def call(event, context)
      target = receiver ? Kernel.const_get(receiver) : Main::TOP
      target.__send__(method, event: event, context: context)
    end
  end

  module Main
    # What methods that a file defines outside of any class are called on.
    TOP = TOPLEVEL_BINDING.receiver
    # As the exit status -4, which is 252.
    INIT_FAILED = 252
    # After a failure that leaves the function in doubt: as -1, which is 255.
    CRITICAL = 255

    module_function

    # Prepares the interpreter, loads the handler, and serves invocations until the process is killed.
    def run
      $stdout.sync = true
      $stderr.sync = true
      Logs.begin
      api = Api.new(ENV.fetch("AWS_LAMBDA_RUNTIME_API"))
      handler = load_handler(ENV["_HANDLER"].to_s, api)
      serve(api, handler)
    end

    def load_handler(text, api)
      handler = Handler.parse(text)
      root = Dir.pwd
      $LOAD_PATH.unshift(root) unless $LOAD_PATH.include?(root)
      require handler.file
      handler
    # Of whatever kind: `LoadError` and `SyntaxError` are no `StandardError`, and `exit` is an exception, too.
    rescue Exception => error # rubocop:disable Lint/RescueException
      report = Failures.describe(error, "Init")
      Logs.error(report)
      api.post_init_error(JSON.generate(report), report["errorType"])
      exit!(INIT_FAILED)
    end

    # Runs one invocation after the other.
    def serve(api, handler)
      loop do
        event = api.next_event
        Logs.request_id = event.request_id
        follow_trace(event.headers["lambda-runtime-trace-id"])
        is_critical = answer(api, handler, event)
        exit!(CRITICAL) if is_critical
      end
    rescue Api::Ended => error
      warn(error.message)
      exit!(1)
    end

    # True: the runtime has to end.
    def answer(api, handler, event)
      body, content_type = Main.encode(handler.call(Main.decode(event), Context.new(event)))
      api.answer(event.request_id, body, content_type)
      false
    rescue Api::Ended
      raise
    rescue Exception => error # rubocop:disable Lint/RescueException
      report = Failures.describe(error, "Function")
      Logs.error(report)
      api.post_error(event.request_id, JSON.generate(report), report["errorType"])
      # A name that does not exist is a defect of the code, and what is no `StandardError` was meant to end the process.
      error.is_a?(NameError) || !error.is_a?(StandardError)
    end

    def decode(event)
      JSON.parse(event.body)
    end

    # A stream is sent as it is; anything else becomes JSON.
    def encode(result)
      case result
      when StringIO, IO then [result.read.to_s, "application/unknown"]
      else [JSON.generate(result), "application/json"]
      end
    end

    def follow_trace(trace_id)
      ENV["_X_AMZN_TRACE_ID"] = trace_id
    end
  end
end
