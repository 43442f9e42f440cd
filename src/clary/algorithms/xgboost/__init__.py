"""XGBoost as a built-in algorithm (algorithm mode of `sagemaker-xgboost` images)."""
