"""When is an answer right? One file for each rule, a plug-in that rewards, evaluation and voters share."""
