# frozen_string_literal: true

module Albacore
  # Errors as Lambda's Ruby runtimes report them. Source: Lambda 3.5, 5.8.
  module Failures
    OWN_FOLDER = "#{__dir__}/"
    FRAMES_MAX = 100

    module_function

    # The error payload. `phase` is `Init` or `Function`.
    def describe(error, phase)
      {
        "errorMessage" => clean(error.message),
        "errorType" => "#{phase}<#{error.class}>",
        "stackTrace" => frames(error)
      }
    end

    # From the function on: what this runtime adds below is not shown.
    def frames(error)
      # Of an error in a file's syntax there is no frame of the file.
      own = (error.backtrace || []).take_while { |frame| !frame.start_with?(OWN_FOLDER) }
      own.first(FRAMES_MAX).map { |frame| clean(frame) }
    end

    # JSON cannot carry what is no UTF-8.
    def clean(text)
      text.to_s.encode("UTF-8", invalid: :replace, undef: :replace).scrub
    end
  end
end
