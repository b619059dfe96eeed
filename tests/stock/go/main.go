// What every stock function of these tests does, behind the stock runtime client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// raw receives the event's bytes as they came.
type raw struct{}

func (raw) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	// The library's own type for these events has to accept ours.
	var event events.ALBTargetGroupRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, err
	}
	if event.Headers["user-agent"] == "ELB-HealthChecker/2.0" {
		fmt.Println(string(payload))
	}
	switch event.Path {
	case "/hello":
		return answer("text/plain", "Hello from go "+lambdacontext.FunctionName)
	case "/fail":
		return nil, errors.New("told to fail")
	default:
		return answer("application/json", string(payload))
	}
}

func answer(contentType, body string) ([]byte, error) {
	return json.Marshal(events.ALBTargetGroupResponse{
		StatusCode:        200,
		StatusDescription: "200 OK",
		Headers:           map[string]string{"content-type": contentType},
		MultiValueHeaders: map[string][]string{"content-type": {contentType}},
		Body:              body,
	})
}

func main() {
	if os.Getenv("INIT") == "fail" {
		panic("told to fail at init")
	}
	lambda.StartHandler(raw{})
}
