# frozen_string_literal: true

module Albacore
  # The context object, as Lambda's Ruby runtimes have it.
  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms

    def initialize(event)
      headers = event.headers
      @deadline_ms = headers["lambda-runtime-deadline-ms"].to_i
      @aws_request_id = event.request_id
      @invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
      @log_group_name = ENV["AWS_LAMBDA_LOG_GROUP_NAME"]
      @log_stream_name = ENV["AWS_LAMBDA_LOG_STREAM_NAME"]
      @function_name = ENV["AWS_LAMBDA_FUNCTION_NAME"]
      @memory_limit_in_mb = ENV["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
      @function_version = ENV["AWS_LAMBDA_FUNCTION_VERSION"]
      @identity = parsed(headers["lambda-runtime-cognito-identity"])
      @client_context = parsed(headers["lambda-runtime-client-context"])
    end

    # How long until the function times out; never negative.
    def get_remaining_time_in_millis
      [@deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
    end

    private

    def parsed(header)
      JSON.parse(header) unless header.nil? || header.empty?
    end
  end
end
