"""What is measured, in a form so short that it only tells whether it still can be."""
