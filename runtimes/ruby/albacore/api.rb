# frozen_string_literal: true

# The client of the Runtime API: HTTP/1.1 over one connection that stays open. Source: Lambda 2.
#
# `net/http` would take longer to load than everything else here together.

require "socket"

module Albacore
  class Api
    # The Runtime API is not there any more.
    class Ended < StandardError; end

    # One invocation as it came: the headers with names in lower case, and the payload.
    Event = Struct.new(:request_id, :headers, :body)

    VERSION = "/2018-06-01/runtime"
    HEAD_BYTES_MAX = 1024 * 1024
    # How often a connection is made for one exchange.
    CONNECTIONS_MAX = 3

    def initialize(address)
      @host, _, port = address.rpartition(":")
      @port = Integer(port)
      @socket = nil
    end

    # Waits for the next event. Asking again after a broken connection gives the same event.
    def next_event
      CONNECTIONS_MAX.times do
        status, headers, body = exchange("GET #{VERSION}/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n", nil)
        raise Ended, "the Runtime API answered #{status} instead of an event" if status != 200

        return Event.new(headers.fetch("lambda-runtime-aws-request-id"), headers, body.force_encoding("UTF-8"))
      rescue SystemCallError, IOError
        disconnect
      end
      raise Ended, "the Runtime API has closed the connection"
    end

    # Whether an answer was taken or refused (too large, too late): the next event comes all the same.
    def answer(request_id, body, content_type)
      post("invocation/#{request_id}/response", body, content_type, nil)
    end

    def post_error(request_id, body, type)
      post("invocation/#{request_id}/error", body, "application/json", type)
    end

    def post_init_error(body, type)
      post("init/error", body, "application/json", type)
    end

    private

    def post(path, body, content_type, error_type)
      bytes = body.b
      head = +"POST #{VERSION}/#{path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: #{content_type}\r\n"
      head << "Lambda-Runtime-Function-Error-Type: #{error_type.gsub(/[^\x21-\x7e]/, "")}\r\n" if error_type
      head << "Content-Length: #{bytes.bytesize}\r\n\r\n"
      exchange(head, bytes)
    rescue SystemCallError, IOError
      # Too large to be read to its end, perhaps. Asking for the next event shows whether the runtime may go on.
      disconnect
    end

    def exchange(head, body)
      @socket ||= TCPSocket.new(@host, @port).tap { |it| it.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1) }
      body ? @socket.write(head, body) : @socket.write(head)
      receive
    end

    # One response: status, headers, body. Every response of the Runtime API has a `Content-Length`.
    def receive
      lines = []
      bytes = 0
      until (line = line_of_head) == "\r\n"
        bytes += line.bytesize
        raise IOError, "the head of a response does not end" if bytes > HEAD_BYTES_MAX

        lines << line.chomp
      end
      headers = lines.drop(1).to_h do |it|
        name, _, value = it.partition(":")
        [name.downcase, value.strip]
      end
      length = headers.fetch("content-length", "0").to_i
      body = length.zero? ? +"" : @socket.read(length)
      raise IOError, "the Runtime API has closed the connection" if body.nil? || body.bytesize < length

      [lines.first.to_s.split(" ", 3)[1].to_i, headers, body]
    end

    def line_of_head
      @socket.gets("\n", HEAD_BYTES_MAX) or raise IOError, "the Runtime API has closed the connection"
    end

    def disconnect
      @socket&.close
      @socket = nil
    end
  end
end
