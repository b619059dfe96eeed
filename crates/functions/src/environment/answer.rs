//! What a runtime says of its invocation or its init: an answer, whole or as a stream, or an error.

use super::{Answer, Environment, RuntimeState};
use crate::failure::Failure;
use crate::runtime_api::Refusal;
use bytes::Bytes;
use invoke::PieceSender;
use tokio::time::Instant;

impl Environment {
    /// The head of an answer has come. While its body is read no other answer is taken; the caller must go on to
    /// [`Environment::finish_answer`] or [`Environment::break_off`].
    pub(crate) fn begin_answer(&self, id: &[u8], answer: Answer) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        if state
            .invocation
            .as_ref()
            .is_none_or(|running| running.id.as_bytes() != id)
        {
            return Err(Refusal::RequestId);
        }
        match state.runtime {
            RuntimeState::Running => {
                state.runtime = RuntimeState::Answering(answer);
                if let Some(running) = &mut state.invocation {
                    running.begin_answer(Instant::now());
                }
                Ok(())
            }
            // The event was never handed out, so nobody can know the id.
            RuntimeState::Ready | RuntimeState::Started | RuntimeState::InitDone | RuntimeState::ExitedInInit => {
                Err(Refusal::RequestId)
            }
            // It was handed out, and is over for the runtime.
            RuntimeState::Done => Err(Refusal::RequestId),
            // The runtime's last words are heard even when it has ended meanwhile.
            RuntimeState::Exited if state.invocation.as_ref().is_some_and(|running| !running.is_answered()) => Ok(()),
            other => Err(Refusal::Transition {
                from: other.name(),
                to: answer.state_name(),
            }),
        }
    }

    /// The answer is complete, or is known to be too large. The caller of the function has it when this returns.
    pub(crate) fn finish_answer(&self, answer: Result<Bytes, Failure>) {
        let mut state = self.state.borrow_mut();
        if let RuntimeState::Answering(_) = state.runtime {
            state.runtime = RuntimeState::Answered;
        }
        if let Some(running) = &mut state.invocation {
            running.finish(answer, &self.scheduler);
        }
    }

    /// The head of a streamed answer has come, after [`Environment::begin_answer`]. `None`: the caller wants it whole.
    pub(crate) fn begin_stream(&self, content_type: String) -> Option<PieceSender> {
        let mut state = self.state.borrow_mut();
        state.invocation.as_mut()?.begin_stream(content_type)
    }

    /// So many bytes of a streamed answer have come.
    pub(crate) fn streamed(&self, bytes: u64) {
        if let Some(running) = &mut self.state.borrow_mut().invocation {
            running.streamed(bytes);
        }
    }

    /// The answer broke off or made no sense: the invocation fails and the runtime is started anew.
    pub(crate) fn break_off(&self, failure: Failure) {
        self.finish_answer(Err(failure));
        let mut state = self.state.borrow_mut();
        if state.runtime != RuntimeState::Exited {
            state.runtime = RuntimeState::Absent;
        }
        self.wake.notify_one();
    }

    /// May `/init/error` be posted now?
    pub(crate) fn begin_init_error(&self) -> Result<(), Refusal> {
        let state = self.state.borrow();
        match state.runtime {
            RuntimeState::Started => Ok(()),
            RuntimeState::ExitedInInit if state.init_error.is_none() => Ok(()),
            from => Err(Refusal::Transition {
                from: from.name(),
                to: "InitError",
            }),
        }
    }

    /// The init has failed, in the runtime's own words.
    pub(crate) fn finish_init_error(&self, failure: Failure) -> Result<(), Refusal> {
        self.begin_init_error()?;
        let mut state = self.state.borrow_mut();
        state.init_error = Some(failure);
        if state.runtime == RuntimeState::Started {
            state.runtime = RuntimeState::InitError;
        }
        self.wake.notify_one();
        Ok(())
    }
}
