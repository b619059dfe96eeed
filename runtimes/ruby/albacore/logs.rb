# frozen_string_literal: true

# Where log lines go, and how `Logger` and `puts` come to use it. Source: Lambda 2.11.

module Albacore
  module Logs
    TEXT_FRAME = 0xa55a0003
    JSON_FRAME = 0xa55a0002
    LEVEL_BITS = { "DEBUG" => 0x08, "INFO" => 0x0c, "WARN" => 0x10, "ERROR" => 0x14, "FATAL" => 0x18 }.freeze

    class << self
      # Of the invocation that runs; nil during init.
      attr_accessor :request_id

      # Through the framed log channel if there is one, otherwise standard output.
      def begin
        @lock = Mutex.new
        @channel = open_channel
        Kernel.prepend(Puts)
        Object.prepend(Puts)
        follow_logger
      end

      def json?
        ENV["AWS_LAMBDA_LOG_FORMAT"].to_s.casecmp?("JSON")
      end

      # One message, whatever lines it has.
      def write(message, level: nil, json: false)
        bytes = message.to_s.encode("UTF-8", invalid: :replace, undef: :replace).b
        return $stdout.write(bytes.end_with?("\n") ? bytes : "#{bytes}\n") unless @channel

        type = (json ? JSON_FRAME : TEXT_FRAME) | LEVEL_BITS.fetch(level, 0)
        micros = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
        # Threads must not mix their frames.
        @lock.synchronize { @channel.write([type, bytes.bytesize, micros].pack("L>L>Q>") + bytes) }
      end

      # Writes an error to the function's log.
      def error(report)
        return write(JSON.generate(line("ERROR").merge(report)), level: "ERROR", json: true) if json?

        text = "[ERROR] #{report["errorType"]}: #{report["errorMessage"]}"
        write([text, *report["stackTrace"].map { |frame| "\tfrom #{frame}" }].join("\n"), level: "ERROR")
      end

      # The beginning of every line in JSON.
      def line(level, time = Time.now)
        head = { "timestamp" => time.utc.strftime("%Y-%m-%dT%H:%M:%S.%LZ"), "level" => level }
        request_id ? head.merge("requestId" => request_id) : head
      end

      private

      def open_channel
        descriptor = Integer(ENV.delete("_LAMBDA_TELEMETRY_LOG_FD").to_s, exception: false)
        return unless descriptor

        # Programs that the function starts have no business with it. Fails if it is not open.
        channel = IO.for_fd(descriptor, "wb", autoclose: false)
        channel.close_on_exec = true
        channel.sync = true
        channel
      rescue SystemCallError, ArgumentError
        nil
      end

      # Loggers of standard output and standard error write to the log channel.
      def follow_logger
        require "logger"
        Logger.prepend(Loggers)
      end
    end

    # A message of `puts` is one event, whatever lines it has.
    module Puts
      private

      def puts(*things)
        text = things.flatten.map { |it| it.to_s.encode("UTF-8", invalid: :replace, undef: :replace) }
        Logs.write(text.join("\n"))
        nil
      end
    end

    # A line of a logger, which knows its level on its way to the device.
    class Line < String
      attr_accessor :level, :json
    end

    # What `Logger` needs of a device.
    class Device
      def write(line)
        line.is_a?(Line) ? Logs.write(line, level: line.level, json: line.json) : Logs.write(line)
      end

      def close; end
    end

    # As `Logger` with a device and a formatter of ours, where it would have written to a standard stream.
    module Loggers
      def initialize(device = nil, *arguments, **options)
        @is_lambdas = device.nil? || device.equal?($stdout) || device.equal?($stderr)
        return super unless @is_lambdas

        super(Device.new, *arguments, **options)
        self.level = ENV["AWS_LAMBDA_LOG_LEVEL"].downcase if !options.key?(:level) && Logs.json? && known_level?
      end

      private

      def known_level?
        %w[DEBUG INFO WARN ERROR FATAL].include?(ENV["AWS_LAMBDA_LOG_LEVEL"])
      end

      def format_message(severity, time, name, message)
        return super unless @is_lambdas

        line = Line.new(@formatter ? super : own_format(severity, time, name, message))
        line.level = severity
        line.json = Logs.json? && !@formatter
        line
      end

      def own_format(severity, time, name, message)
        return json_line(severity, time, name, message) if Logs.json?

        text = message.is_a?(String) ? message : message.inspect
        text = ["#{message.message} (#{message.class})", *message.backtrace].join("\n") if message.is_a?(Exception)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.%6N")
        "#{severity[0]}, [#{stamp} ##{Process.pid}] #{severity.rjust(5)} #{Logs.request_id} -- #{name}: #{text}\n"
      end

      def json_line(severity, time, name, message)
        line = Logs.line(severity, time).merge("message" => Failures.clean(text_of(message)))
        line["logger"] = Failures.clean(name) if name
        if message.is_a?(Exception)
          line.merge!(
            "errorType" => message.class.to_s,
            "errorMessage" => Failures.clean(message.message),
            "stackTrace" => (message.backtrace || []).map { |frame| Failures.clean(frame) }
          )
        end
        "#{JSON.generate(line)}\n"
      end

      def text_of(message)
        case message
        when String then message
        when Exception then message.message
        else message.inspect
        end
      end
    end
  end
end
