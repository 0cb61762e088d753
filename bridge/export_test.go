package bridge

// MaxQuestions is how many questions to one client are kept in mind.
const MaxQuestions = maxQuestions
